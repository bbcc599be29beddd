//! What the whole product promises, seen from outside: the real relay as its own process, the real
//! command line, and nothing else. One module per promise.

mod bodies;
mod exchange;
mod pipes;
mod refusals;
mod support;
