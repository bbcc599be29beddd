//! The way over from Aspera: its `aspera.conf`, `s3.properties` and `asconfigurator` commands become `sealift.toml`.
//!
//! | what | where |
//! |---|---|
//! | `asconfigurator -F "set_user_data;…"` | [`Command::parse`], [`Command::apply`] |
//! | `config import --aspera-conf FILE` | [`import`], with a [`Report`] of what was taken, ignored, and has no counterpart |
//!
//! [`setting`] says for each of the original's settings which of ours it is, once for both. Nothing is half-applied,
//! and whatever would weaken protection in silence is an error.

mod apply;
mod command;
mod http_server;
mod import;
mod report;
mod setting;
mod xml;

pub use command::Command;
pub use import::{ImportSources, import};
pub use report::{Outcome, Report};

/// What kind of thing in Aspera's configuration a setting belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    /// `<default>`; `set_node_data`.
    Default,
    /// `<user>`; `set_user_data`.
    User,
    /// `<group>`; `set_group_data`.
    Group,
    /// `<http_server>`; `set_http_server_data`.
    HttpServer,
    /// `<server>`; `set_server_data`.
    Server,
    /// `<trunk>`; `set_trunk_data`.
    Trunk,
}
