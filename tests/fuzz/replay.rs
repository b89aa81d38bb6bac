//! Runs every file of the corpora, and damaged copies of each, through the fuzzer's bodies.
//!
//! Bytes that once made a body fail are kept as `corpus/TARGET/crash-…`, so a fixed fault is tried again on every run.
//! The copies are seeded by the file's name, so they are the same on every run.
//! Deliberately absent: searching, which `run.sh` does.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "src/lib.rs"]
#[allow(unreachable_pub, missing_docs)]
mod bodies;
#[path = "../chaos/random.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod random;

use bodies::{Body, TARGETS};
use random::Random;
use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// The number of damaged copies of each file.
const COPIES: u64 = 100;
/// Bytes that have a meaning in the grammars.
const TELLING: &[u8] = b"\0\n \"'#$%&+,-./0123456789:;=?[]\\_aeinrtuxz{}~\x7f\x80\xc3\xff";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|reason| panic!("{}: {reason}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Runs a target's corpus. It goes on after a failing file, so that one run shows every failure.
fn replay(target: &str) {
    let body = TARGETS.iter().find(|(name, _)| *name == target).unwrap().1;
    let corpus = folder().join("corpus").join(target);
    let mut failed = Vec::new();
    for file in names_in(&corpus) {
        let bytes = fs::read(corpus.join(&file)).unwrap();
        if fails(body, &bytes) {
            failed.push(format!("tests/fuzz/corpus/{target}/{file} fails"));
            continue;
        }
        if let Some((copy, bytes)) = copies(&file, &bytes).find(|(_, bytes)| fails(body, bytes)) {
            let kept = format!("crash-{file}-{copy}");
            let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&kept);
            fs::write(&place, bytes).unwrap();
            failed.push(format!(
                "copy {copy} of tests/fuzz/corpus/{target}/{file} fails; keep it with\n    cp {} tests/fuzz/corpus/{target}/{kept}",
                place.display()
            ));
        }
    }
    let list = failed.join("\n");
    assert!(failed.is_empty(), "{list}\nthe reason is told above; again: cargo test --test corpus {target}");
}

fn fails(body: Body, bytes: &[u8]) -> bool {
    catch_unwind(|| body(bytes)).is_err()
}

/// The damaged copies of a file, with their numbers.
fn copies(file: &str, bytes: &[u8]) -> impl Iterator<Item = (u64, Vec<u8>)> {
    let seed = file.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    (0..COPIES).map(move |copy| {
        let mut random = Random::of_round(seed, copy);
        let mut bytes = bytes.to_vec();
        for _ in 0..random.between(1, 4) {
            damage(&mut random, &mut bytes);
        }
        (copy, bytes)
    })
}

fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    let mut place = |end: usize| usize::try_from(random.below(end as u64 + 1)).unwrap();
    let (from, length) = (place(bytes.len()), place(12));
    let to = (from + length).min(bytes.len());
    let elsewhere = place(bytes.len());
    let telling = *random.pick(TELLING);
    match random.below(6) {
        0 => drop(bytes.drain(from..to)),
        1 => bytes.truncate(from),
        2 => bytes.insert(from, telling),
        3 if from < bytes.len() => bytes[from] = telling,
        4 if from < bytes.len() => bytes[from] ^= 1 << random.below(8),
        _ => {
            let part = bytes[from..to].to_vec();
            bytes.splice(elsewhere..elsewhere, part);
        }
    }
}

/// One test per target, so that they run in parallel and a failure names its target.
macro_rules! replayed {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*

        #[test]
        fn every_target_has_a_body_a_corpus_and_a_replay() {
            let replayed = BTreeSet::from([$(stringify!($target).to_owned()),*]);
            let bodies: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(replayed, bodies);
            assert_eq!(replayed, names_in(&folder().join("corpus")));
        }
    };
}

replayed! {
    assignment codec config connection_string document engine provisioning proxy record sensor sync topic varlink
}
