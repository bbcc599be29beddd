//! Over TLS: a certificate that is not vouched for is refused, with `--ca` it is trusted.

use std::fs;

use sealift_tests::{Relay, RelayOptions, Sealift, sha256_of, write_random};

use crate::support::{PASSWORD, folder, links};

#[test]
fn t3_an_untrusted_certificate_is_refused_and_ca_makes_it_trusted() {
    let dir = folder();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    fs::write(&certificate, own.cert.pem()).unwrap();
    fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let arguments = [
        "--tls-cert",
        certificate.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ];
    let arguments = arguments.map(str::to_owned).to_vec();
    let relay = Relay::with(RelayOptions {
        arguments,
        ..RelayOptions::default()
    });
    let url = format!("https://localhost:{}", relay.address().port());

    let file = write_random(dir.path().join("a.bin"), 9_000_000, 1);
    let send = || {
        Sealift::new("send")
            .arg(&file)
            .args(["--to", &url])
            .password(PASSWORD)
    };
    let refused = send().fails_with(20);
    assert!(
        refused.field("error", "message").contains("certificate"),
        "{refused:?}"
    );

    let sent = links(&send().arg("--ca").arg(&certificate).succeeds());
    let receive = || {
        Sealift::new("receive")
            .link(&sent.receive)
            .password(PASSWORD)
    };
    let got = dir.path().join("got");
    receive().arg("-o").arg(&got).fails_with(20);
    receive()
        .arg("-o")
        .arg(&got)
        .arg("--ca")
        .arg(&certificate)
        .succeeds();
    assert_eq!(sha256_of(&got.join("a.bin")), sha256_of(&file));
}
