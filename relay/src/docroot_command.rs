//! `sealift-relay docroot check`: tries everything that the relay will do with a docroot, and prints a table.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use sealift_config::Config;
use sealift_docroot::CheckReport;

use crate::docroots::open_and_check;
use crate::flags::Flags;

/// `sealift-relay docroot …`
#[derive(Subcommand)]
pub enum DocrootCommand {
    /// Writes, looks, reads a range, uploads in parts, resumes, aborts and deletes; says what is missing.
    Check(Box<CheckArguments>),
}

/// Arguments of `sealift-relay docroot check`.
#[derive(Args)]
pub struct CheckArguments {
    /// Name of the docroot in the configuration [default: all of them]
    name: Option<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Flags,
}

/// Does it. Answers with what is to be printed, and whether everything is in order.
///
/// # Errors
///
/// When the configuration cannot be read, or has no such docroot.
pub fn docroot(command: DocrootCommand) -> anyhow::Result<(String, bool)> {
    let DocrootCommand::Check(arguments) = command;
    let config = arguments.flags.sources().load()?.config;
    let names: Vec<&String> = match &arguments.name {
        None => config.docroots.keys().collect(),
        Some(name) => vec![name],
    };
    let runtime = tokio::runtime::Runtime::new().context("no threads")?;
    let reports = runtime.block_on(check(&config, &names))?;
    let ok = reports.iter().all(|(_, report)| report.is_ok());
    let text = if arguments.json {
        let reports: serde_json::Map<_, _> = reports
            .into_iter()
            .map(|(name, report)| Ok((name, serde_json::to_value(report)?)))
            .collect::<Result<_, serde_json::Error>>()?;
        serde_json::to_string_pretty(&reports)?
    } else {
        let mut text = String::new();
        for (name, report) in reports {
            writeln!(text, "docroot {name}\n{report}")?;
        }
        text.trim_end().to_owned()
    };
    Ok((text, ok))
}

async fn check(config: &Config, names: &[&String]) -> anyhow::Result<Vec<(String, CheckReport)>> {
    let mut reports = Vec::new();
    for &name in names {
        if !config.docroots.contains_key(name) {
            let known: Vec<_> = config.docroots.keys().map(String::as_str).collect();
            bail!(
                "there is no docroot `{name}`; there are {}",
                known.join(", ")
            );
        }
        let settings = config.docroot(name)?;
        let (_, report) = open_and_check(&settings, config.settings.free_bytes_min).await;
        reports.push((name.clone(), report));
    }
    Ok(reports)
}
