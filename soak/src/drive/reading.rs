use std::fs;
use std::io;

/// The memory of a process that is resident, in kibibytes.
pub(super) fn resident(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse(&status).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// How many files a process has open.
pub(super) fn files(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

fn parse(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_kibibytes_and_not_from_its_neighbours() {
        assert_eq!(
            parse("VmHWM:\t    9000 kB\nVmRSS:\t    1836 kB\nRssAnon:\t 12 kB\n"),
            Some(1836)
        );
        assert_eq!(parse("VmHWM:\t 5 kB\n"), None);
        assert_eq!(parse("VmRSS:\t many\n"), None);
    }
}
