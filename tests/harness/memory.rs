//! Memory of a running process, as Linux counts it.

use std::fs;

/// Most resident memory since the process started, in bytes (`VmHWM`).
pub fn peak_bytes(pid: u32) -> Option<u64> {
    field(pid, "VmHWM:")
}

/// Resident memory now, in bytes (`VmRSS`).
pub fn resident_bytes(pid: u32) -> Option<u64> {
    field(pid, "VmRSS:")
}

fn field(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
