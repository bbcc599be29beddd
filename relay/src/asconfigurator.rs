//! `sealift-relay asconfigurator`: does in `sealift.toml` what the original's commands did in `aspera.conf`.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use sealift_config::aspera::Command;
use zeroize::Zeroizing;

use crate::flags::Flags;

/// Longest command that is read.
const COMMAND_BYTES_MAX: u64 = 64 << 10;

/// A command of the original.
#[derive(Args)]
pub struct AsconfiguratorArguments {
    /// The command, such as "set_user_data;user_name,xfer;absolute,s3://HOST/BUCKET/PATH"; `-` reads it from standard
    /// input, where credentials cannot be seen by others.
    #[arg(
        short = 'x',
        short_alias = 'F',
        visible_short_alias = 'F',
        value_name = "COMMAND",
        conflicts_with = "from",
        required_unless_present = "from"
    )]
    command: Option<String>,
    /// A file that holds the command.
    #[arg(long, value_name = "FILE", required_unless_present = "command")]
    from: Option<PathBuf>,
    /// The configuration file, which is made when missing.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs it. What it says is one line for each change.
///
/// # Errors
///
/// Why nothing was changed.
pub fn asconfigurator(arguments: AsconfiguratorArguments) -> anyhow::Result<String> {
    let text = text(&arguments)?;
    let shown = arguments.command.as_deref().is_some_and(|text| text != "-");
    let command = Command::parse(&text).map_err(|text| anyhow!(text))?;
    let named = Flags::of(arguments.config, None).sources().file;
    let path = named.context(
        "there is no sealift.toml here or in /etc/sealift: name one with --config, and it is made",
    )?;
    let mut done = command.apply(&path).map_err(|text| anyhow!(text))?;
    if shown && done.iter().any(|line| line.contains("url_file")) {
        done.push(
            "the command line had credentials, which others could see: next time use -x - or --from, and consider \
             new ones"
                .to_owned(),
        );
    }
    done.push(format!(
        "{} is changed; `sealift-relay reload` applies it to a running relay",
        path.display()
    ));
    Ok(done.join("\n"))
}

fn text(arguments: &AsconfiguratorArguments) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = match (&arguments.command, &arguments.from) {
        (Some(command), _) if command != "-" => {
            text.push_str(command);
            return Ok(text);
        }
        (None, Some(path)) => {
            let cannot = || format!("{} cannot be read", path.display());
            let file = std::fs::File::open(path).with_context(cannot)?;
            file.take(COMMAND_BYTES_MAX + 1)
                .read_to_string(&mut text)
                .with_context(cannot)?
        }
        _ => std::io::stdin()
            .take(COMMAND_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .context("standard input cannot be read")?,
    };
    if read as u64 > COMMAND_BYTES_MAX {
        bail!("a command is one line of at most 64 KiB");
    }
    Ok(text)
}
