//! `encrypt` and `decrypt` through files and pipes, without any relay.

use std::fs;

use sealift_tests::{Sealift, peak_bytes, same_content, sha256_of, write_random};

use crate::support::{PASSWORD, folder};

#[test]
fn a_pipe_seals_and_opens_any_length() {
    for length in [0, 1, 524_248, 524_256, 1_100_000] {
        let dir = folder();
        let file = write_random(dir.path().join("x"), length, length);
        let plain = fs::read(&file).unwrap();
        let sealed = Sealift::plain("encrypt")
            .arg("-")
            .password(PASSWORD)
            .stdin(plain.clone())
            .succeeds();
        let args = ["-", "-o", "-"];
        let opened = Sealift::plain("decrypt")
            .args(args)
            .password(PASSWORD)
            .stdin(sealed.stdout)
            .succeeds();
        assert!(opened.stdout == plain, "{length} bytes");
    }
}

#[test]
fn a_pipe_is_sealed_by_many_threads_in_flat_memory() {
    let dir = folder();
    let file = write_random(dir.path().join("x"), 64_000_000, 1);
    let sealed = dir.path().join("x.sealift");
    let mut running = Sealift::new("encrypt")
        .args(["-", "--threads", "4", "-o"])
        .arg(&sealed)
        .password(PASSWORD)
        .stdin(fs::read(&file).unwrap())
        .start();
    let (mut peak, mut threads) = (0, 0);
    while running.is_running() {
        peak = peak.max(peak_bytes(running.pid()).unwrap_or(0));
        let tasks = fs::read_dir(format!("/proc/{}/task", running.pid()));
        threads = threads.max(tasks.map_or(0, |tasks| tasks.count()));
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(running.wait().exit_code, 0);
    // The main thread, the one for signals, the one that reads, and four that seal.
    assert!(threads >= 6, "{threads}");
    // Argon2 takes 64 MiB of it.
    assert!(peak < 100 << 20, "{peak}");
    let opened = Sealift::plain("decrypt")
        .arg(&sealed)
        .args(["-o", "-"])
        .password(PASSWORD)
        .succeeds();
    assert!(opened.stdout == fs::read(&file).unwrap());
}

#[test]
fn a_reader_that_goes_away_ends_it_without_a_word() {
    let dir = folder();
    let file = write_random(dir.path().join("x"), 8_000_000, 1);
    Sealift::new("encrypt")
        .arg(&file)
        .password(PASSWORD)
        .inside(dir.path())
        .succeeds();
    let entries = dir.path().join("many");
    for number in 0..2_000u64 {
        write_random(
            entries.join(format!(
                "a file with quite a long name, so that its line is long {number}"
            )),
            1,
            1,
        );
    }
    let package = Sealift::new("encrypt")
        .arg("many")
        .password(PASSWORD)
        .inside(dir.path());
    package.succeeds();
    for arguments in [
        &["decrypt", "x.sealift", "-o", "-"][..],
        &["encrypt", "x", "-o", "-"],
        &["inspect", "many.sealift"],
        &["inspect", "many.sealift", "--json"],
    ] {
        let mut child = Sealift::plain(arguments[0])
            .args(&arguments[1..])
            .password(PASSWORD)
            .inside(dir.path())
            .command()
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 4];
        let mut stdout = child.stdout.take().unwrap();
        std::io::Read::read_exact(&mut stdout, &mut first).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(141), "{arguments:?}: {said}");
        assert_eq!(said, "", "{arguments:?}");
    }
}

#[test]
fn a_sealed_file_opens_from_a_file_and_from_a_pipe() {
    let dir = folder();
    let file = write_random(dir.path().join("report.pdf"), 3_000_000, 1);
    Sealift::new("encrypt")
        .arg("report.pdf")
        .password(PASSWORD)
        .inside(dir.path())
        .succeeds();
    let sealed = dir.path().join("report.pdf.sealift");
    assert!(
        !fs::read(&sealed)
            .unwrap()
            .windows(10)
            .any(|window| window == b"report.pdf")
    );

    let got = dir.path().join("got");
    Sealift::new("decrypt")
        .arg(&sealed)
        .password(PASSWORD)
        .arg("-o")
        .arg(&got)
        .succeeds();
    assert_eq!(sha256_of(&got.join("report.pdf")), sha256_of(&file));
    let modified = |place| {
        fs::metadata(place)
            .unwrap()
            .modified()
            .unwrap()
            .elapsed()
            .unwrap()
            .as_secs()
    };
    assert!(modified(&got.join("report.pdf")).abs_diff(modified(&file)) <= 1);

    let piped = fs::read(&sealed).unwrap();
    let opened = Sealift::plain("decrypt")
        .args(["-", "-o", "-"])
        .password(PASSWORD)
        .stdin(piped)
        .succeeds();
    assert!(opened.stdout == fs::read(&file).unwrap());
}

#[test]
fn a_folder_becomes_one_package() {
    let dir = folder();
    let sent = dir.path().join("sent");
    for number in 0..30u64 {
        write_random(sent.join(format!("sub/{number}")), number * 100, number);
    }
    fs::create_dir_all(sent.join("empty")).unwrap();
    Sealift::new("encrypt")
        .arg("sent")
        .password(PASSWORD)
        .inside(dir.path())
        .succeeds();
    let sealed = dir.path().join("sent.sealift");
    let inspected = Sealift::new("inspect").arg(&sealed).succeeds();
    assert_eq!(inspected.events("sealed").len(), 1);
    assert_eq!(
        inspected.events("entry").len(),
        0,
        "names need the password"
    );
    assert_eq!(
        Sealift::new("inspect")
            .arg(&sealed)
            .password(PASSWORD)
            .succeeds()
            .events("entry")
            .len(),
        30
    );

    let got = dir.path().join("got");
    Sealift::new("decrypt")
        .arg(&sealed)
        .password(PASSWORD)
        .arg("-o")
        .arg(&got)
        .succeeds();
    same_content(&sent, &got.join("sent"));
}

#[test]
fn passwords_come_by_file_descriptor_environment_and_pipe() {
    let dir = folder();
    let file = write_random(dir.path().join("x"), 10, 1);
    let secret = dir.path().join("secret");
    fs::write(&secret, format!("{PASSWORD}\nnot this line\n")).unwrap();
    let sealed = dir.path().join("x.sealift");
    let encrypt = Sealift::new("encrypt").arg(&file).arg("-o").arg(&sealed);
    encrypt.arg("--password-file").arg(&secret).succeeds();
    let decrypt = |folder: &str| {
        Sealift::new("decrypt")
            .arg(&sealed)
            .arg("-o")
            .arg(dir.path().join(folder))
    };
    decrypt("a").password(PASSWORD).succeeds();
    decrypt("b").env("ASPERA_SCP_FILEPASS", PASSWORD).succeeds();
    decrypt("c")
        .arg("--password-stdin")
        .stdin(format!("{PASSWORD}\r\n"))
        .succeeds();
    decrypt("d")
        .args(["--password-fd", "0"])
        .stdin(PASSWORD)
        .succeeds();
    assert_eq!(decrypt("e").fails_with(5).error_code(), "secret_missing");
}

#[test]
fn a_generated_password_is_printed_once_and_opens() {
    let dir = folder();
    let file = write_random(dir.path().join("x"), 10, 1);
    let outcome = Sealift::new("encrypt")
        .arg(&file)
        .arg("--generate-password")
        .inside(dir.path())
        .succeeds();
    let password = outcome.field("password", "password");
    assert_eq!(outcome.events("password").len(), 1);
    let sealed = dir.path().join("x.sealift");
    Sealift::new("decrypt")
        .arg(sealed)
        .password(&password)
        .arg("-o")
        .arg(dir.path().join("got"))
        .succeeds();
}

#[test]
fn p2_a_cut_or_damaged_stream_ends_with_an_error_and_withholds_its_end() {
    let dir = folder();
    let file = write_random(dir.path().join("x"), 2_000_000, 1);
    Sealift::new("encrypt")
        .arg("x")
        .password(PASSWORD)
        .inside(dir.path())
        .succeeds();
    let sealed = fs::read(dir.path().join("x.sealift")).unwrap();
    let plain = fs::read(&file).unwrap();
    let open = |bytes: &[u8]| {
        Sealift::plain("decrypt")
            .args(["-", "-o", "-"])
            .password(PASSWORD)
            .stdin(bytes)
            .run()
    };

    for cut in [1, 48, 49, 500_000] {
        let outcome = open(&sealed[..sealed.len() - cut]);
        assert_eq!(outcome.exit_code, 12, "{cut} bytes short: {outcome:?}");
        assert!(outcome.stdout.len() < plain.len() && plain.starts_with(&outcome.stdout));
    }
    for flip in [sealed.len() - 1, sealed.len() - 100, 1_500_000] {
        let mut damaged = sealed.clone();
        damaged[flip] ^= 1;
        let outcome = open(&damaged);
        assert_eq!(outcome.exit_code, 11, "bit flipped at {flip}: {outcome:?}");
        assert!(outcome.stdout.len() < plain.len() && plain.starts_with(&outcome.stdout));
    }
    let mut longer = sealed.clone();
    longer.push(0);
    assert_ne!(open(&longer).exit_code, 0);
}

#[test]
fn f6_an_open_length_stream_that_lost_its_end_is_cut_short() {
    let plain = vec![7; 1_200_000];
    let sealed = Sealift::plain("encrypt")
        .arg("-")
        .password(PASSWORD)
        .stdin(plain.clone())
        .succeeds()
        .stdout;
    for length in [sealed.len() - 1, sealed.len() - 48, 600_000] {
        let args = ["-", "-o", "-"];
        let opened = Sealift::plain("decrypt")
            .args(args)
            .password(PASSWORD)
            .stdin(&sealed[..length])
            .fails_with(12);
        assert!(opened.stdout.len() < plain.len());
    }
}

#[test]
fn p2_a_pipe_whose_seal_does_not_fit_ends_with_an_error_and_withholds_its_end() {
    let plain: Vec<u8> = (0..1_200_000u32).map(|n| (n % 251) as u8).collect();
    let mut sealed = Sealift::plain("encrypt")
        .arg("-")
        .password(PASSWORD)
        .stdin(plain.clone())
        .succeeds()
        .stdout;
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    let opened = Sealift::plain("decrypt")
        .args(["-", "-o", "-"])
        .password(PASSWORD)
        .stdin(sealed)
        .fails_with(11);
    assert!(opened.stdout.len() < plain.len() && plain.starts_with(&opened.stdout));
}

#[test]
fn an_existing_file_is_never_replaced_unasked() {
    let dir = folder();
    write_random(dir.path().join("x"), 10, 1);
    let encrypt = || {
        Sealift::new("encrypt")
            .arg("x")
            .password(PASSWORD)
            .inside(dir.path())
    };
    encrypt().succeeds();
    assert_eq!(encrypt().fails_with(4).error_code(), "exists");
    encrypt().arg("--overwrite").succeeds();
    let decrypt = || {
        Sealift::new("decrypt")
            .arg("x.sealift")
            .password(PASSWORD)
            .inside(dir.path())
    };
    assert_eq!(decrypt().fails_with(4).error_code(), "exists");
    decrypt().arg("--overwrite").succeeds();
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        2,
        "nothing else is left behind"
    );
}

#[test]
fn json_and_content_never_share_standard_output() {
    let dir = folder();
    write_random(dir.path().join("x"), 10, 1);
    Sealift::new("encrypt")
        .arg("x")
        .password(PASSWORD)
        .inside(dir.path())
        .succeeds();
    let open = ["x.sealift", "-o", "-"];
    Sealift::new("decrypt")
        .args(open)
        .password(PASSWORD)
        .inside(dir.path())
        .fails_with(2);
    Sealift::new("encrypt")
        .arg("-")
        .password(PASSWORD)
        .stdin("x")
        .fails_with(2);
}
