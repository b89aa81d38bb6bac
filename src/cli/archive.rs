//! An archive as `tar` and `gzip` read it.
//!
//! The format is POSIX's ustar: before each file a header of one block, behind the last one two empty blocks. Names are short and
//! sizes small here, so that nothing of its extensions is needed. Around what is compressed gzip has a header and a checksum.

use crate::units::UnixSeconds;
use miniz_oxide::deflate::compress_to_vec;
use std::io;

const BLOCK: usize = 512;
/// For the owner alone, as the archive itself.
const MODE: u64 = 0o600;
const CHECKSUM: core::ops::Range<usize> = 148..156;
const NAME_BYTES_MAX: usize = 100;
/// What eleven digits can say; a clock may be wrong.
const TIME_MAX: u64 = 0o777_7777_7777;

/// Packs files into one folder. Their names must fit into the header with that of the folder.
///
/// # Errors
/// One of the names does not fit.
pub(super) fn pack(folder: &str, files: &[(&str, &[u8])], at: UnixSeconds) -> io::Result<Vec<u8>> {
    let mut tar = Vec::new();
    for (name, content) in files {
        tar.extend_from_slice(&header(&format!("{folder}/{name}"), content.len(), at)?);
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    Ok(gzip(&tar))
}

/// Compresses as well as it can (RFC 1952): a file without name and time, written on Unix.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3];
    gzip.extend(compress_to_vec(bytes, 9));
    gzip.extend(crc32(bytes).to_le_bytes());
    // The size, modulo 2³².
    gzip.extend((bytes.len() as u32).to_le_bytes());
    gzip
}

/// By bits, since a report is small and the usual table is 16 KiB.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |rest: u32| if rest & 1 == 0 { rest >> 1 } else { (rest >> 1) ^ 0xedb8_8320 };
    !bytes.iter().fold(!0, |rest, byte| (0..8).fold(rest ^ u32::from(*byte), |rest, _| shift(rest)))
}

fn header(name: &str, size: usize, at: UnixSeconds) -> io::Result<[u8; BLOCK]> {
    if name.len() > NAME_BYTES_MAX {
        return Err(io::Error::other("a name is too long for the archive"));
    }
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| {
        header.iter_mut().skip(at).zip(text).for_each(|(byte, new)| *byte = *new);
    };
    let octal = |digits: usize, number: u64| format!("{number:0digits$o}").into_bytes();
    put(0, name.as_bytes());
    put(100, &octal(7, MODE));
    // Of root.
    put(108, &octal(7, 0));
    put(116, &octal(7, 0));
    put(124, &octal(11, size as u64));
    put(136, &octal(11, at.0.min(TIME_MAX)));
    put(CHECKSUM.start, &[b' '; CHECKSUM.end - CHECKSUM.start]);
    // A regular file.
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ").into_bytes();
    header.iter_mut().skip(CHECKSUM.start).zip(&sum).for_each(|(byte, new)| *byte = *new);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn tar_unpacks_every_byte_and_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (block, long) = (vec![7; BLOCK], vec![b'x'; 100_000]);
        let files: [(&str, &[u8]); 4] =
            [("empty", b""), ("short", b"text\n"), ("block", &block), ("long", &long)];
        let packed = pack("folder", &files, UnixSeconds(1_700_000_000)).unwrap();
        std::fs::write(dir.path().join("a.tar.gz"), &packed).unwrap();
        let mut tar = Command::new("tar");
        let said =
            tar.arg("-C").arg(dir.path()).args(["-xvzf"]).arg(dir.path().join("a.tar.gz")).output().unwrap();
        assert!(said.status.success() && said.stderr.is_empty(), "{said:?}");
        assert_eq!(
            String::from_utf8(said.stdout).unwrap(),
            "folder/empty\nfolder/short\nfolder/block\nfolder/long\n"
        );
        for (name, content) in files {
            let path = dir.path().join("folder").join(name);
            assert_eq!(std::fs::read(&path).unwrap(), content, "{name}");
            let found = std::fs::metadata(&path).unwrap();
            let time = found.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
            assert_eq!(time.as_secs(), 1_700_000_000);
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(found.permissions().mode() & 0o777, 0o600);
        }
        assert!(pack(&"f".repeat(96), &files, UnixSeconds(0)).is_err());
    }
}
