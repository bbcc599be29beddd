//! What an operator sets: `sealift.toml`, `SEALIFT_…` variables and flags; one policy for every server.
//!
//! [`Settings`], [`Docroot`] and [`User`] are each one table of keys, which is manual, default, parser and example
//! in one. Start with [`Config`], then [`Config::policy_for`].

mod config;
pub mod keys;
mod live;
mod policy;
mod protection;
mod settings;
pub mod value;

pub use config::{Config, DEFAULT_DOCROOT};
pub use live::Live;
pub use policy::Policy;
pub use protection::{MayDiffer, Own, PasswordRule, Protection, ProtectionMode};
pub use settings::{Congestion, Docroot, LogFormat, Settings, User};
pub use value::{Secret, Version};
