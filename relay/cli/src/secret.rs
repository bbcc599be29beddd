//! Where passwords, links and grants come from: prompt, standard input, file, descriptor or
//! environment. Never the arguments, which every user of the machine can read.
//!
//! Start with [`PasswordSource`] and [`LinkSource`]; both give at most one line, wiped on drop.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::failure::{Cause, Failure, Result};

/// Secret text. Wiped when dropped; has no way to be printed by accident but `Display` of its target.
pub(crate) type Secret = Zeroizing<String>;

/// Longest secret line taken, in bytes. Passwords end at 1,024 bytes (envelope), links and grants far below.
const SECRET_BYTES_MAX: u64 = 8 * 1024;

/// Environment variables that may hold the password, in order. The second is Aspera's.
const PASSWORD_VARIABLES: &[&str] = &["SEALIFT_PASSWORD", "ASPERA_SCP_FILEPASS"];

/// The ways to give one secret that all kinds of secrets share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// `--…-file`
    pub(crate) file: Option<PathBuf>,
    /// `--…-fd`
    pub(crate) fd: Option<u32>,
    /// `--…-stdin`
    pub(crate) stdin: bool,
}

impl Given {
    /// The secret as given by option, or none. `what` names it in errors.
    fn read(&self, what: &str) -> Result<Option<Secret>> {
        if let Some((file, place)) = self.open(what)? {
            return first_line(file, what, &place).map(Some);
        }
        if self.stdin {
            return first_line(io::stdin().lock(), what, "standard input").map(Some);
        }
        Ok(None)
    }

    /// A secret of several lines: all that the file or descriptor holds, within the same limit.
    pub(crate) fn read_all(&self, what: &str) -> Result<Secret> {
        let (file, place) = self.open(what)?.ok_or_else(|| missing(what))?;
        let mut text = Zeroizing::new(String::with_capacity(SECRET_BYTES_MAX as usize + 1));
        let read = file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text);
        read.map_err(|error| unreadable(what, &place, &error))?;
        if text.len() as u64 > SECRET_BYTES_MAX {
            return Err(Failure::new(
                Cause::Usage,
                format!("{place} is too long for an {what}"),
                "Check that it is the right file.",
            ));
        }
        Ok(text)
    }

    /// The file or descriptor, and how it is called in messages.
    fn open(&self, what: &str) -> Result<Option<(File, String)>> {
        if let Some(path) = &self.file {
            let file = File::open(path).map_err(|error| Failure::file("read", path, &error))?;
            return Ok(Some((file, format!("the file {}", path.display()))));
        }
        let Some(fd) = self.fd else {
            return Ok(None);
        };
        // Opening by this name gives the descriptor again without `unsafe`.
        let file = File::open(format!("/dev/fd/{fd}")).map_err(|_| {
            Failure::new(
                Cause::LocalFile,
                format!("descriptor {fd} is not open for reading"),
                format!("Open it in the shell, for example: sealift … --{what}-fd {fd} {fd}< FILE"),
            )
        })?;
        Ok(Some((file, format!("descriptor {fd}"))))
    }
}

/// The one that may hold a password that takes another one's place.
const NEW_PASSWORD_VARIABLES: &[&str] = &["SEALIFT_NEW_PASSWORD"];

/// A password to open something, or to seal it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PasswordSource {
    given: Given,
    variables: &'static [&'static str],
}

impl PasswordSource {
    /// The password of what is opened or made.
    pub(crate) fn present(given: Given) -> Self {
        Self {
            given,
            variables: PASSWORD_VARIABLES,
        }
    }

    /// A password that takes the place of the present one.
    pub(crate) fn new_one(given: Given) -> Self {
        Self {
            given,
            variables: NEW_PASSWORD_VARIABLES,
        }
    }

    /// A password by option or environment, or none.
    pub(crate) fn without_asking(&self) -> Result<Option<Secret>> {
        let secret = match self.given.read("password")? {
            Some(secret) => Some(secret),
            None => environment(self.variables)?,
        };
        match secret {
            Some(secret) if secret.is_empty() => Err(empty_password()),
            other => Ok(other),
        }
    }

    /// The password that opens something, asked for once if need be.
    pub(crate) fn to_open(&self) -> Result<Secret> {
        if let Some(secret) = self.without_asking()? {
            return Ok(secret);
        }
        let password = ask("Password: ", "password")?;
        if password.is_empty() {
            Err(empty_password())
        } else {
            Ok(password)
        }
    }

    /// A new password, asked for twice if need be.
    pub(crate) fn to_seal(&self) -> Result<Secret> {
        if let Some(secret) = self.without_asking()? {
            return Ok(secret);
        }
        let password = ask("New password: ", "password")?;
        if password.is_empty() {
            return Err(empty_password());
        }
        if *ask("Repeat password: ", "password")? != *password {
            return Err(Failure::new(
                Cause::Usage,
                "the two passwords differ",
                "Start again and type the same password twice.",
            ));
        }
        Ok(password)
    }
}

/// A link with a fragment: receive, manage or send link. Or a bare grant.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkSource {
    /// By option.
    pub(crate) given: Given,
    /// Environment variable that may hold it.
    pub(crate) variable: &'static str,
    /// Its name in options and errors: `link` or `grant`.
    pub(crate) what: &'static str,
}

impl LinkSource {
    /// The link by option or environment, or none.
    pub(crate) fn without_asking(&self) -> Result<Option<Secret>> {
        match self.given.read(self.what)? {
            Some(secret) => Ok(Some(secret)),
            None => environment(&[self.variable]),
        }
    }

    /// The link, asked for at the terminal, or read from standard input when that is not a terminal.
    pub(crate) fn read(&self) -> Result<Secret> {
        if let Some(secret) = self.without_asking()? {
            return Ok(secret);
        }
        if io::stdin().is_terminal() {
            return ask("Link: ", self.what);
        }
        let line = first_line(io::stdin().lock(), self.what, "standard input")?;
        if line.is_empty() {
            Err(missing(self.what))
        } else {
            Ok(line)
        }
    }
}

/// What to say when a link with its secret was given as an argument. The link itself is not repeated.
pub(crate) fn link_as_argument() -> Failure {
    Failure::new(
        Cause::Usage,
        "links are secret and never taken as an argument, which every user of this computer can read",
        "Paste the link at the prompt, pipe it in, or use --link-file, --link-fd or the variable SEALIFT_LINK.",
    )
}

/// Asks at the terminal without echo. Fails when there is none.
fn ask(prompt: &str, what: &str) -> Result<Secret> {
    rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|_| missing(what))
}

fn environment(variables: &[&str]) -> Result<Option<Secret>> {
    for variable in variables {
        match std::env::var(variable) {
            Ok(secret) => return Ok(Some(Zeroizing::new(secret))),
            Err(std::env::VarError::NotPresent) => {}
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(Failure::new(
                    Cause::Usage,
                    format!("the variable {variable} is not UTF-8"),
                    "Set it to text, or use another way to give the secret.",
                ));
            }
        }
    }
    Ok(None)
}

/// The first line, without its end. Reads no further than it must from a pipe.
fn first_line(source: impl Read, what: &str, place: &str) -> Result<Secret> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
    BufReader::with_capacity(1, source.take(SECRET_BYTES_MAX + 1))
        .read_until(b'\n', &mut bytes)
        .map_err(|error| unreadable(what, place, &error))?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(Failure::new(
            Cause::Usage,
            format!("the first line of {place} is too long for a {what}"),
            format!("Check that the {what}, and nothing else, is on the first line."),
        ));
    }
    let mut end = bytes.len();
    while end > 0 && matches!(bytes[end - 1], b'\n' | b'\r') {
        end -= 1;
    }
    let line = std::str::from_utf8(&bytes[..end]).map_err(|_| {
        Failure::new(
            Cause::Usage,
            format!("the {what} in {place} is not UTF-8"),
            "Save it as UTF-8 text.",
        )
    })?;
    Ok(Zeroizing::new(line.to_owned()))
}

fn unreadable(what: &str, place: &str, error: &io::Error) -> Failure {
    Failure::new(
        Cause::LocalFile,
        format!("could not read the {what} from {place}: {error}"),
        "Check that it exists and may be read.",
    )
}

fn empty_password() -> Failure {
    Failure::new(
        Cause::Usage,
        "the password is empty",
        "Give one of at least 12 characters, or let --generate-password make one.",
    )
}

fn missing(what: &str) -> Failure {
    let (ways, variable) = match what {
        "password" => (
            "--password-file, --password-fd or --password-stdin",
            "SEALIFT_PASSWORD",
        ),
        "grant" => ("--grant-file or --grant-fd", "SEALIFT_GRANT"),
        _ => ("--link-file, --link-fd or standard input", "SEALIFT_LINK"),
    };
    Failure::new(
        Cause::SecretMissing,
        format!("a {what} is needed, and there is no terminal to ask at"),
        format!("Give it by {ways}, or in the variable {variable}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_first_line_without_its_end() {
        for text in [
            "pass word",
            "pass word\n",
            "pass word\r\n",
            "pass word\nmore",
        ] {
            assert_eq!(
                *first_line(text.as_bytes(), "password", "test").unwrap(),
                "pass word"
            );
        }
    }

    #[test]
    fn a_file_that_is_no_secret_is_refused() {
        let long = vec![b'x'; 10_000];
        assert!(first_line(&long[..], "password", "test").is_err());
        assert!(first_line(&[0xff, 0xfe][..], "password", "test").is_err());
    }
}
