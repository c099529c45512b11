//! File systems that other machines write to as well, of which this system does not tell.

use std::os::fd::BorrowedFd;
use std::path::Path;

use nix::sys::statfs::{FsType, fstatfs, statfs};

pub(super) fn holds_file(file: BorrowedFd<'_>) -> bool {
    fstatfs(file).is_ok_and(|stat| is_network(stat.filesystem_type()))
}

pub(super) fn holds_directory(directory: &Path) -> bool {
    statfs(directory).is_ok_and(|stat| is_network(stat.filesystem_type()))
}

/// NFS, SMB (three of them), Ceph, AFS (two), Coda, 9P, FUSE (as of `sshfs`), Lustre, GFS2, OCFS2, NCP, VirtualBox and
/// VMware folders.
const MAGIC: [u32; 16] = [
    0x6969,
    0x517B,
    0xFF53_4D42,
    0xFE53_4D42,
    0x00C3_6400,
    0x5346_414F,
    0x6B41_4653,
    0x7375_7245,
    0x0102_1997,
    0x6573_5546,
    0x0BD0_0BD0,
    0x0116_1970,
    0x7461_636F,
    0x564C,
    0x786F_4256,
    0xBACB_ACBC,
];

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it has 32 bits")]
fn is_network(kind: FsType) -> bool {
    MAGIC.contains(&(kind.0 as u32))
}

#[cfg(test)]
mod tests {
    use nix::sys::statfs::{EXT4_SUPER_MAGIC, NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, TMPFS_MAGIC};

    use super::*;

    #[test]
    fn file_systems_of_other_machines_are_told_apart() {
        assert!(is_network(NFS_SUPER_MAGIC) && is_network(SMB_SUPER_MAGIC));
        assert!(!is_network(EXT4_SUPER_MAGIC) && !is_network(TMPFS_MAGIC));
        assert!(!holds_directory(Path::new("/proc")));
    }
}
