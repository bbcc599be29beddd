//! What a machine needs, each piece found, installed, or named with the command to run.

use crate::process::{output, run_bounded, step};
use crate::repo::Repo;
use crate::{fingerprint, fingerprint::Fingerprint};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What Vite asks for.
const NODE_MIN: (u32, u32) = (20, 19);
const NETWORK_LIMIT: Duration = Duration::from_secs(600);

/// Makes sure the active toolchain can build for a WebAssembly target.
pub(crate) fn rust_target(repo: &Repo, target: &str) -> Result<()> {
    let libraries =
        output(
            repo.command("rustc")
                .args(["--print", "target-libdir", "--target", target]),
        )?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    let by_hand = format!("rustup target add {target}");
    if !on_path("rustup") {
        bail!(
            "Rust lacks the target {target}, and rustup is not installed. With rustup: {by_hand}"
        );
    }
    step(&format!("adding the Rust target {target}"), || {
        run_bounded(
            repo.command("rustup").args(["target", "add", target]),
            NETWORK_LIMIT,
            &by_hand,
        )
    })
}

/// Checks that Node and npm are there, and new enough.
pub(crate) fn node(repo: &Repo) -> Result<()> {
    let (major, minor) = NODE_MIN;
    let advice = format!(
        "Node.js {major}.{minor} or newer, with npm, is needed: https://nodejs.org, or on Debian 13 `sudo apt-get install nodejs npm`"
    );
    if !on_path("node") || !on_path("npm") {
        bail!("{advice}");
    }
    let version = output(repo.command("node").arg("--version"))?;
    let mut numbers = version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .map(|text| text.parse().unwrap_or(0));
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < NODE_MIN {
        bail!("{advice}. Found: {}", version.trim());
    }
    Ok(())
}

/// Installs a folder's npm packages exactly as its lock file says, if that has changed.
pub(crate) fn npm_ci(repo: &Repo, folder: &Path) -> Result<()> {
    let lock = Fingerprint::new()
        .files([
            folder.join("package.json"),
            folder.join("package-lock.json"),
        ])?
        .finish();
    let stamp = folder.join("node_modules/.sealift-installed");
    if fingerprint::matches(&stamp, &lock) {
        return Ok(());
    }
    node(repo)?;
    let shown = folder
        .strip_prefix(&repo.root)
        .unwrap_or(folder)
        .display()
        .to_string();
    step(&format!("installing the npm packages of {shown}"), || {
        run_bounded(
            repo.command("npm")
                .args([
                    "ci",
                    "--no-audit",
                    "--no-fund",
                    "--prefer-offline",
                    "--loglevel=error",
                ])
                .args(["--fetch-retries=2", "--fetch-timeout=60000"])
                .current_dir(folder),
            NETWORK_LIMIT,
            &format!("cd {shown} && npm ci"),
        )
    })?;
    fingerprint::write(&stamp, &lock)
}

/// A browser that tests drive.
pub(crate) struct Browser {
    /// The variable that names another one.
    variable: &'static str,
    name: &'static str,
    programs: &'static [&'static str],
    apple: &'static str,
    debian: &'static str,
}

pub(crate) const CHROMIUM: Browser = Browser {
    variable: "CHROMIUM",
    name: "Chromium",
    programs: &[
        "chromium",
        "google-chrome",
        "google-chrome-stable",
        "chromium-browser",
    ],
    apple: "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    debian: "chromium",
};

pub(crate) const FIREFOX: Browser = Browser {
    variable: "FIREFOX",
    name: "Firefox",
    programs: &["firefox-esr", "firefox"],
    apple: "/Applications/Firefox.app/Contents/MacOS/firefox",
    debian: "firefox-esr",
};

/// Finds a browser that is installed, or installs Debian's.
pub(crate) fn browser(repo: &Repo, browser: &Browser) -> Result<PathBuf> {
    let Browser { variable, name, .. } = browser;
    if let Some(named) = std::env::var_os(variable) {
        let named = PathBuf::from(named);
        if !named.is_file() {
            bail!("{variable} names {}, which is not there", named.display());
        }
        return Ok(named);
    }
    if let Some(found) = installed(browser) {
        return Ok(found);
    }
    debian_package(repo, browser.debian, name)?;
    installed(browser).with_context(|| {
        format!(
            "the package {} is installed, but there is no program of that name",
            browser.debian
        )
    })
}

fn installed(browser: &Browser) -> Option<PathBuf> {
    let apple = PathBuf::from(browser.apple);
    browser
        .programs
        .iter()
        .find_map(|program| find_on_path(program))
        .or_else(|| apple.is_file().then_some(apple))
}

/// What a browser's own dialogs need: a screen without a monitor, windows, and keys to press.
pub(crate) fn screen(repo: &Repo) -> Result<()> {
    let needed = [
        ("Xvfb", "xvfb"),
        ("openbox", "openbox"),
        ("xdotool", "xdotool"),
    ];
    let missing: Vec<&str> = needed
        .iter()
        .filter(|(program, _)| !on_path(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    debian_packages(repo, &missing, "a screen for the browser's dialogs")
}

/// A Python with the packages of `requirements`, in a virtual environment of its own outside
/// the clone.
pub(crate) fn python(repo: &Repo, requirements: &Path) -> Result<PathBuf> {
    if !on_path("python3") {
        debian_package(repo, "python3", "Python 3")?;
    }
    let wanted = Fingerprint::new()
        .text(&output(Command::new("python3").arg("--version"))?)
        .files([requirements.to_owned()])?
        .finish();
    let folder = repo
        .cache
        .join(format!("python-{}", wanted.get(..12).unwrap_or(&wanted)));
    let python = folder.join("bin/python");
    let stamp = folder.join("installed");
    if fingerprint::matches(&stamp, &wanted) && python.is_file() {
        return Ok(python);
    }
    step("making a Python environment for the decoders", || {
        if output(Command::new("python3").args(["-c", "import ensurepip"])).is_err() {
            debian_package(repo, "python3-venv", "Python's venv module")?;
        }
        output(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&folder),
        )?;
        run_bounded(
            Command::new(&python)
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "-r",
                ])
                .arg(requirements),
            NETWORK_LIMIT,
            &format!(
                "{} -m pip install -r {}",
                python.display(),
                requirements.display()
            ),
        )
    })?;
    fingerprint::write(&stamp, &wanted)?;
    Ok(python)
}

/// The parts of Ceph that make an S3 server, all or none. `SEALIFT_TESTS=offline` leaves them out,
/// and the tests then say so.
pub(crate) fn ceph(repo: &Repo) -> Result<()> {
    let offline = std::env::var("SEALIFT_TESTS").is_ok_and(|value| value == "offline");
    if offline || ["ceph-mon", "ceph-osd", "radosgw"].into_iter().all(on_path) {
        return Ok(());
    }
    debian_packages(
        repo,
        &["ceph-mon", "ceph-osd", "radosgw", "ceph-common"],
        "Ceph, an S3 server,",
    )
}

fn debian_package(repo: &Repo, package: &str, what: &str) -> Result<()> {
    debian_packages(repo, &[package], what)
}

/// Installs Debian's packages, as root; anybody else gets the line to run.
fn debian_packages(repo: &Repo, packages: &[&str], what: &str) -> Result<()> {
    let names = packages.join(" ");
    let by_hand = format!("sudo apt-get install {names}");
    if !on_path("apt-get") {
        bail!("{what} is needed and was not found; install it with your system's packages");
    }
    if output(repo.command("id").arg("-u"))?.trim() != "0" {
        bail!("{what} is needed and was not found. Run: {by_hand}");
    }
    step(
        &format!("installing {what} (apt-get install {names})"),
        || {
            let apt = |arguments: &[&str]| {
                run_bounded(
                    repo.command("apt-get")
                        .env("DEBIAN_FRONTEND", "noninteractive")
                        .arg("-qq")
                        .args(arguments),
                    NETWORK_LIMIT,
                    &by_hand,
                )
            };
            apt(&["update"])?;
            apt(&[&["install", "-y", "--no-install-recommends"], packages].concat())
        },
    )
}

fn on_path(program: &str) -> bool {
    find_on_path(program).is_some()
}

fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
