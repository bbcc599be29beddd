//! `sealift-relay config …`: looks at a configuration without starting anything.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Subcommand;
use sealift_config::aspera::{ImportSources, import};

use crate::flags::Flags;
use crate::reload;

/// What to do with the configuration.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Prints the effective values and where each came from. Secrets are left out.
    Show {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// As for `serve`.
        #[command(flatten)]
        flags: Flags,
    },
    /// Checks it, with the files that it names. Nothing is started.
    Check {
        /// As for `serve`.
        #[command(flatten)]
        flags: Flags,
    },
    /// Prints a commented sealift.toml with every setting and its default.
    Example,
    /// Makes a sealift.toml of an Aspera configuration; says what it took, what it did not need, and what is missing here.
    Import {
        /// The original's main file.
        #[arg(long, value_name = "FILE")]
        aspera_conf: PathBuf,
        /// The original's system-wide settings of S3 docroots.
        #[arg(long, value_name = "FILE")]
        s3_properties: Option<PathBuf>,
        /// The new file. It must not be there yet.
        #[arg(long, value_name = "FILE", default_value = "sealift.toml")]
        output: PathBuf,
    },
}

/// Runs one.
///
/// # Errors
///
/// Everything that is wrong with the configuration, one line each.
pub fn config(command: ConfigCommand) -> anyhow::Result<String> {
    match command {
        ConfigCommand::Show { json, flags } => {
            let loaded = flags.sources().load()?;
            if json {
                Ok(serde_json::to_string_pretty(&loaded.to_json())? + "\n")
            } else {
                Ok(loaded.to_text())
            }
        }
        ConfigCommand::Check { flags } => {
            let loaded = flags.sources().load()?;
            reload::check(&loaded).map_err(|errors| anyhow!("{errors}"))?;
            let warnings = loaded.warnings().into_iter();
            let warnings: String = warnings.map(|text| format!("warning: {text}\n")).collect();
            Ok(match &loaded.file {
                Some(path) => format!("{warnings}{}: fine\n", path.display()),
                None => format!("{warnings}fine; there is no configuration file\n"),
            })
        }
        ConfigCommand::Example => Ok(sealift_config::example()),
        ConfigCommand::Import {
            aspera_conf,
            s3_properties,
            output,
        } => {
            let sources = ImportSources {
                aspera_conf,
                s3_properties,
            };
            let report = import(&sources, &output)?;
            Ok(format!(
                "{report}{} is written; read it, then start the relay with --config\n",
                output.display()
            ))
        }
    }
}
