//! Running other programs, and saying what is going on while they do.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A quiet step says every so often that it is still alive.
const STILL_THERE: Duration = Duration::from_secs(20);

/// Announces a step, does it, and says how long it took.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("▸ {what}");
    let start = Instant::now();
    let (end, ended) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(STILL_THERE) {
                println!("  … {what}: {} s", start.elapsed().as_secs());
            }
        });
        let result = work();
        drop(end);
        if result.is_ok() {
            println!("  {:.1} s", start.elapsed().as_secs_f32());
        }
        result
    })
}

/// Runs a program with its output shown; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| missing(command))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a program that talks to the network. One that does not end within `limit` is stopped,
/// and the error says what to run by hand.
pub(crate) fn run_bounded(command: &mut Command, limit: Duration, by_hand: &str) -> Result<()> {
    let mut child = command.spawn().with_context(|| missing(command))?;
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(());
            }
            bail!(
                "`{}` failed ({status}). Is the network reachable? By hand: {by_hand}",
                shown(command)
            );
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            bail!(
                "no answer within {} s; the network looks closed. By hand: {by_hand}",
                limit.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a program and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| missing(command))?;
    if !output.status.success() {
        bail!(
            "`{}` failed ({}): {}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program, shows every line it prints and hands it to `each`. Returns whether it
/// succeeded; one that is not done within `limit` is stopped, which is an error.
pub(crate) fn lines(
    command: &mut Command,
    limit: Duration,
    mut each: impl FnMut(&str),
) -> Result<bool> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| missing(command))?;
    let stdout = child.stdout.take().context("its output is piped")?;
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(stdout)
            .split(b'\n')
            .try_for_each(|line| sender.send(line))
    });
    let start = Instant::now();
    loop {
        match received.recv_timeout(limit.saturating_sub(start.elapsed())) {
            Ok(line) => {
                let line = line?;
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                each(&line);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(child.wait()?.success()),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill()?;
                bail!(
                    "`{}` was stopped after {} s",
                    shown(command),
                    limit.as_secs()
                );
            }
        }
    }
}

fn missing(command: &Command) -> String {
    format!(
        "`{}` could not be started; is it installed, and in the PATH?",
        command.get_program().to_string_lossy()
    )
}

fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_network_gets_one_line_with_the_command() {
        let start = Instant::now();
        let error = run_bounded(
            Command::new("sleep").arg("30"),
            Duration::from_millis(100),
            "npm ci",
        )
        .unwrap_err()
        .to_string();
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(error.contains("By hand: npm ci"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program-here"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("no-such-program-here"), "{error}");
    }
}
