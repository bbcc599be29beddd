//! What an operator sets: `sealift.toml`, `SEALIFT_…` variables and flags; one policy for every server.
//!
//! ```text
//!  defaults < sealift.toml < SEALIFT_… < flags ── load ── check ── Config ── Live ── policy_for(user)
//! ```
//!
//! [`Settings`], [`Docroot`], [`User`] and [`Trunk`] are each one table of keys, which is manual, default, parser and
//! example in one. It promises that nothing half-read is ever used: a configuration is whole and consistent, or it is
//! a list of [`ConfigErrors`], each with its line.
//!
//! Start with [`Sources::load`], then [`Config::policy_for`].

pub mod aspera;
mod change;
mod check;
mod config;
mod edit;
mod environment;
mod error;
mod example;
mod file;
mod given;
pub mod keys;
mod live;
mod load;
mod policy;
mod protection;
mod settings;
mod show;
pub mod value;
mod warning;

pub use change::Changes;
pub use check::{CAPACITY_KBPS_MIN, LANE_MEMORY_BYTES_MIN};
pub use config::{Config, DEFAULT_DOCROOT};
pub use error::{ConfigError, ConfigErrors, Origin};
pub use example::example;
pub use live::Live;
pub use load::{FILES, Flag, Loaded, Sources, Target};
pub use policy::Policy;
pub use protection::{MayDiffer, Own, PasswordRule, Protection, ProtectionMode};
pub use settings::{Congestion, Docroot, LogFormat, Settings, Trunk, User};
pub use value::{Secret, Version};
