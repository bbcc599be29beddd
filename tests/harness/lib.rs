//! Starts the real parts of the product for the end-to-end tests.
