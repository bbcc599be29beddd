//! Messages survive the wire, and hostile ones are refused.
