//! Starts Ceph for measurements by hand or by `cargo xtask bench s3`, with a bucket `bench`, until it is stopped.
//! Prints where it is: `KEY=VALUE` lines, the last one `listening on http://ADDRESS`.

use sealift_s3::{ACCESS_ID, Ceph, SECRET};

fn main() {
    let store_mib = std::env::args().nth(1).and_then(|mib| mib.parse().ok());
    let ceph = Ceph::start(store_mib.unwrap_or(4096));
    ceph.make_bucket("bench");
    println!("AWS_ACCESS_KEY_ID={ACCESS_ID}\nAWS_SECRET_ACCESS_KEY={SECRET}");
    println!("CEPH_CONF={}", ceph.conf().display());
    println!("DOCROOT={}", ceph.url(ceph.address(), "bench", ""));
    println!("listening on http://{}", ceph.address());
    // A line on standard input, or its end by a signal, frees what was deleted; Ceph does so only when told.
    let mut line = String::new();
    loop {
        match std::io::stdin().read_line(&mut line) {
            Ok(read) if read > 0 => ceph.collect_garbage(),
            _ => std::thread::park(),
        }
    }
}
