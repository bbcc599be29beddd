//! The commented example: every setting, its manual, its default. Written from the tables, so that it is never wrong.

use std::fmt::Write as _;

use crate::keys::{Key, Keyed};
use crate::settings::{Docroot, Settings, Trunk, User};
use crate::show::toml;

const HEAD: &str = "\
# sealift.toml: what an operator sets. Everything here is the default or, where there is none, an example; both are
# commented out. A value is taken from the last of these that gives one:
#
#   1. the default   2. this file   3. the environment   4. flags of the command line
#
# `listen` is SEALIFT_LISTEN in the environment and --listen on the command line, and so on for every key above the first
# table; `docroot` of [users.xfer] is SEALIFT_USERS__XFER__DOCROOT. Secrets, here the URLs of docroots, may stand in a
# file of their own: `url_file = \"/etc/sealift/docroot.url\"` or SEALIFT_DOCROOTS__ARCHIVE__URL_FILE.
#
# This file is the first that exists of: --config FILE, SEALIFT_CONFIG, ./sealift.toml, /etc/sealift/sealift.toml.
# `sealift-relay config check` says whether it is right, `sealift-relay config show` what holds and where it came from.
# `sealift-relay reload` or SIGHUP applies changes to a running relay; keys marked (restart) need a restart.
# Bytes: 1000000, \"10GB\" (10^9), \"4TiB\" (2^40). Times: \"90s\", \"15m\", \"12h\", \"7d\".
";

/// The example, as `sealift-relay config example` prints it.
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    keys(&mut text, &Settings::default());
    text.push_str(
        "\n# Where sealed files are kept. The docroot named `default` is always there, in the data folder unless it has a\n\
         # `url`; it takes what is sent without a user.\n# [docroots.archive]\n",
    );
    keys(&mut text, &Docroot::default());
    text.push_str(
        "\n# Who sends where: `sealift-relay grant --user xfer` makes send links for this user.\n# [users.xfer]\n",
    );
    keys(&mut text, &User::default());
    text.push_str("\n# A rate that several users share.\n# [trunks.office]\n");
    keys(&mut text, &Trunk::default());
    text
}

fn keys<T: Keyed>(text: &mut String, defaults: &T) {
    for key in T::KEYS {
        text.push('\n');
        for line in key.help {
            let _ = writeln!(text, "#{line}");
        }
        let _ = writeln!(text, "{}", one(key, defaults));
    }
}

fn one<T: Keyed>(key: &Key<T>, defaults: &T) -> String {
    let default = (key.get)(defaults);
    let value = toml(default.as_deref().unwrap_or(key.like), key.shape);
    let mark = match (default.is_some(), key.live) {
        (true, true) => "",
        (true, false) => "  # (restart)",
        (false, true) => "  # no default",
        (false, false) => "  # no default (restart)",
    };
    format!("# {} = {value}{mark}", key.name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::load::load_text;

    /// The example in the repository is the one that the program prints.
    #[test]
    fn the_example_file_has_every_setting_with_its_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sealift.example.toml");
        if std::env::var_os("SEALIFT_WRITE").is_some() {
            std::fs::write(&path, example()).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        let wanted = example();
        let first = kept
            .lines()
            .zip(wanted.lines())
            .find(|(kept, wanted)| kept != wanted);
        assert_eq!(
            first, None,
            "run this test with SEALIFT_WRITE=1 and look at the difference"
        );
        assert_eq!(kept.len(), wanted.len());
    }

    /// With its defaults uncommented, the example says nothing that is not so without it.
    #[test]
    fn the_defaults_of_the_example_are_the_defaults() {
        let top = example().split("\n# [docroots.").next().unwrap().to_owned();
        let text: String = lines(&top)
            .filter(|line| !line.contains("no default"))
            .map(|line| format!("{line}\n"))
            .collect();
        let loaded = load_text(Path::new("example"), &text, &Default::default()).unwrap();
        assert!(loaded.config == crate::Config::from(Settings::default()));
        assert_eq!(
            text.lines().count() + lines(&top).filter(|l| l.contains("no default")).count(),
            Settings::KEYS.len()
        );
    }

    /// Every example value is one that its key takes.
    #[test]
    fn every_value_of_the_example_is_read() {
        fn all<T: Keyed>() {
            for key in T::KEYS {
                let mut some = T::default();
                let text = (key.get)(&some).unwrap_or_else(|| key.like.to_owned());
                assert_eq!((key.set)(&mut some, &text), Ok(()), "{}", key.name);
                assert_eq!((key.get)(&some), Some(text), "{}", key.name);
            }
        }
        all::<Settings>();
        all::<Docroot>();
        all::<User>();
        all::<Trunk>();
    }

    fn lines(text: &str) -> impl Iterator<Item = &str> {
        text.lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| {
                line.split_once(" = ")
                    .is_some_and(|(key, _)| Settings::key(key).is_some())
            })
    }
}
