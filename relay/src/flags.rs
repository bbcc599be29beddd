//! The flags of `serve`, made from the table of settings: one flag for each key, with the key's manual.

use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, Error, FromArgMatches, value_parser};
use sealift_config::keys::{Key, Keyed as _};
use sealift_config::value::Shape;
use sealift_config::{Flag, Settings, Sources, Target};

/// Where the configuration comes from, as the command line says it.
#[derive(Clone, Default)]
pub struct Flags {
    file: Option<PathBuf>,
    flags: Vec<Flag>,
}

impl Flags {
    /// The configuration's sources: the file, this process's environment, these flags.
    pub fn sources(&self) -> Sources {
        Sources::of_process(self.file.clone(), self.flags.clone())
    }

    /// The data folder, if a flag names it.
    pub fn data(&self) -> Option<PathBuf> {
        let named = |flag: &&Flag| matches!(&flag.target, Target::Setting(key) if key == "data");
        self.flags
            .iter()
            .find(named)
            .map(|flag| PathBuf::from(&flag.text))
    }

    /// Only a file and a data folder, for commands that find a running relay.
    pub fn of(file: Option<PathBuf>, data: Option<PathBuf>) -> Self {
        let data = data.map(|data| setting("data", "--data", data.display().to_string()));
        Self {
            file,
            flags: data.into_iter().collect(),
        }
    }
}

fn setting(key: &str, flag: &str, text: String) -> Flag {
    Flag {
        flag: flag.to_owned(),
        target: Target::Setting(key.to_owned()),
        text,
    }
}

/// The key that `--host`, which may be given several times, adds to.
const HOSTS: &str = "hosts";
/// Flags besides the table's, kept for what they are short for.
const NO_WEBTRANSPORT: &str = "no-webtransport";
const PASSWORD_REQUIRED: &str = "password-required";
const CONFIG: &str = "config";
const DOCROOT: &str = "docroot";

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("The configuration file [default: SEALIFT_CONFIG, ./sealift.toml, /etc/sealift/sealift.toml]");
        let docroot = Arg::new(DOCROOT)
            .long(DOCROOT)
            .value_name("URL")
            .value_parser(ValueParser::new(without_credentials))
            .help("Where sealed files are kept: file:///PATH or s3://HOST/BUCKET/PATH [default: in the data folder]");
        let switch = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
        command
            .arg(config)
            .args(Settings::KEYS.iter().map(argument))
            .arg(docroot)
            .arg(switch(NO_WEBTRANSPORT).help("The same as --webtransport=false"))
            .arg(switch(PASSWORD_REQUIRED).help("The same as --protection required"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(key: &'static Key<Settings>) -> Arg {
    let help: Vec<&str> = key.help.iter().map(|line| line.trim()).collect();
    let default = (key.get)(&Settings::default());
    let default = default.map_or_else(String::new, |text| format!(" [default: {text}]"));
    let argument = Arg::new(key.name).help(help.join(" ") + &default);
    let argument = match key.name {
        // Everybody on the machine can read command lines.
        name if key.secret => argument.long(format!("{}-file", name.replace('_', "-"))),
        HOSTS => argument.long("host").action(ArgAction::Append),
        name => argument.long(name.replace('_', "-")),
    };
    match key.shape {
        _ if key.secret => argument.value_name("FILE"),
        Shape::Switch => argument
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        Shape::Choice(words) => argument.value_name(words.join("|")),
        Shape::Text => argument.value_name("TEXT"),
        Shape::Count => argument.value_name("NUMBER"),
        Shape::Bytes => argument.value_name("BYTES"),
        Shape::Time => argument.value_name("TIME"),
        Shape::List => argument.value_name("NAME"),
    }
}

/// Everybody on the machine can read the command lines of its processes.
fn without_credentials(url: &str) -> Result<String, String> {
    let place = url.split('?').next().unwrap_or(url);
    if place.starts_with("s3://") && place.contains('@') {
        return Err("credentials do not belong on a command line, which others can read: put the URL into a file \
                    and name it in SEALIFT_DOCROOTS__DEFAULT__URL_FILE"
            .to_owned());
    }
    Ok(url.to_owned())
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.file = matches.get_one::<PathBuf>(CONFIG).cloned();
        for key in Settings::KEYS {
            let texts: Vec<&str> = matches
                .get_many::<String>(key.name)
                .map(|texts| texts.map(String::as_str).collect())
                .unwrap_or_default();
            if !texts.is_empty() {
                let name = if key.secret {
                    format!("{}_file", key.name)
                } else {
                    key.name.to_owned()
                };
                let flag = match key.name {
                    HOSTS => "--host".to_owned(),
                    _ => format!("--{}", name.replace('_', "-")),
                };
                self.flags.push(setting(&name, &flag, texts.join(",")));
            }
        }
        if let Some(url) = matches.get_one::<String>(DOCROOT) {
            self.flags.push(Flag {
                flag: "--docroot".to_owned(),
                target: Target::DefaultDocroot,
                text: url.clone(),
            });
        }
        for (name, key, text) in [
            (NO_WEBTRANSPORT, "webtransport", "false"),
            (PASSWORD_REQUIRED, "protection", "required"),
        ] {
            if matches.get_flag(name) {
                self.flags
                    .push(setting(key, &format!("--{name}"), text.to_owned()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use sealift_config::{Origin, ProtectionMode};

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        flags: Flags,
    }

    fn loaded(line: &str) -> Result<sealift_config::Loaded, sealift_config::ConfigErrors> {
        let only = Only::try_parse_from(line.split(' ')).unwrap();
        let sources = Sources {
            flags: only.flags.flags,
            ..Sources::default()
        };
        sources.load()
    }

    #[test]
    fn every_flag_of_the_first_version_still_means_the_same() {
        let loaded = loaded(
            "serve --listen 0.0.0.0:443 --data /srv/x --open-uploads --tls-cert a --tls-key b \
             --public-url https://send.example.org --host one.example --host two.example --no-webtransport \
             --congestion bbr --password-required --package-bytes-max 1000 --free-bytes-min 0 \
             --lifetime-default 1d --lifetime-max 2d --unfinished 3h --lane-memory-bytes 16777216 --lanes-max 9 \
             --lanes-per-address-max 8 --drain 1s --log-format json",
        )
        .unwrap();
        let settings = &loaded.config.settings;
        assert_eq!(settings.listen.to_string(), "0.0.0.0:443");
        assert!(settings.open_uploads && !settings.webtransport && !settings.tls_at_proxy);
        assert_eq!(settings.hosts, ["one.example", "two.example"]);
        assert_eq!(settings.protection, ProtectionMode::Required);
        assert_eq!(
            (settings.package_bytes_max, settings.free_bytes_min),
            (1000, 0)
        );
        assert_eq!(settings.unfinished.as_secs(), 3 * 3600);
        assert_eq!(loaded.origin("listen"), Origin::Flag("--listen".to_owned()));
        assert_eq!(
            loaded.origin("protection"),
            Origin::Flag("--password-required".to_owned())
        );
        assert_eq!(loaded.origin("degraded"), Origin::Default);
    }

    #[test]
    fn a_wrong_value_is_said_with_its_flag() {
        let Err(errors) = loaded("serve --listen here --lane-memory-bytes 1MiB") else {
            panic!("it was taken");
        };
        assert_eq!(
            errors.to_string(),
            "--listen: `listen` must be an address and a port, such as 127.0.0.1:8080"
        );
    }

    #[test]
    fn secrets_come_from_files_never_from_the_command_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a long random text\n").unwrap();
        let line = format!("serve --metrics-token-file {}", file.path().display());
        let token = loaded(&line).unwrap().config.settings.metrics_token;
        assert_eq!(token.expose(), "a long random text");
        assert!(Only::try_parse_from(["serve", "--metrics-token", "abc"]).is_err());
    }

    #[test]
    fn credentials_are_refused_on_the_command_line() {
        assert!(Only::try_parse_from(["serve", "--docroot", "s3://A:B@host/bucket"]).is_err());
        let loaded = loaded("serve --docroot s3://s3.amazonaws.com/bucket/path").unwrap();
        assert_eq!(
            loaded.config.docroots["default"].url.expose(),
            "s3://s3.amazonaws.com/bucket/path"
        );
    }
}
