//! Housekeeping of a mirror: what a killed process left, and too many small files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{Odb, Oid, Repository};

/// The lock of whoever uses a private repository, inside it.
pub(in crate::git) const OWNER: &str = "repin-owner";
/// More loose objects than this are packed.
const MAX_LOOSE: usize = 2_000;
/// More small packs than this become one.
const MAX_SMALL_PACKS: usize = 50;
/// A pack up to this size is small, in bytes.
const SMALL_PACK: u64 = 8 << 20;
/// A private repository younger than this is never removed: its owner may be about to lock it.
const YOUNG: Duration = Duration::from_secs(3_600);

/// Removes locks and unfinished files that a killed process left in a repository that we hold alone.
pub(in crate::git) fn remove_leftovers(directory: &Path) {
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => pending.push(entry.path()),
                Ok(_) if name.ends_with(".lock") || name.starts_with("tmp_") || name.contains("_git2_") => {
                    let _ = fs::remove_file(entry.path());
                }
                _ => {}
            }
        }
    }
}

/// Removes private repositories whose owner is gone.
pub(in crate::git) fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|data| data.modified()).ok().and_then(|time| time.elapsed().ok());
        if age.is_none_or(|age| age < YOUNG) {
            continue;
        }
        let abandoned = match File::options().write(true).open(entry.path().join(OWNER)) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if abandoned {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Puts loose objects and small packs into one pack if there are many of either. Whether it did so.
///
/// Nothing is removed before the new pack is complete, so a kill at any point loses nothing.
pub(in crate::git) fn pack(repo: &Repository, directory: &Path) -> Result<bool, String> {
    let objects = directory.join("objects");
    let loose = loose_objects(&objects);
    let packs = small_packs(&objects.join("pack"));
    if loose.len() <= MAX_LOOSE && packs.len() <= MAX_SMALL_PACKS {
        return Ok(false);
    }
    let failed = |error: git2::Error| error.message().to_owned();
    let broken = |error: std::io::Error| error.to_string();
    let mut ids: BTreeSet<Oid> = loose.iter().map(|(id, _)| *id).collect();
    // A directory with links to the small packs alone: libgit2 cannot list the objects of one pack.
    let scratch = tempfile::Builder::new().prefix("tmp_").tempdir_in(directory).map_err(broken)?;
    fs::create_dir(scratch.path().join("pack")).map_err(broken)?;
    for path in packs.iter().flat_map(|pack| [pack.clone(), pack.with_extension("idx")]) {
        let name = path.file_name().unwrap_or_default();
        fs::hard_link(&path, scratch.path().join("pack").join(name)).map_err(broken)?;
    }
    let small = Odb::new().map_err(failed)?;
    small.add_disk_alternate(&scratch.path().to_string_lossy()).map_err(failed)?;
    let mut packed = |id: &Oid| {
        ids.insert(*id);
        true
    };
    small.foreach(&mut packed).map_err(failed)?;
    let mut builder = repo.packbuilder().map_err(failed)?;
    for id in &ids {
        builder.insert_object(*id, None).map_err(failed)?;
    }
    builder.write(&objects.join("pack"), 0).map_err(failed)?;
    let name = builder.name().ok().flatten().ok_or("the new pack has no name")?;
    let new = format!("pack-{name}");
    if !objects.join("pack").join(&new).with_extension("idx").exists() {
        return Err(format!("the new pack {new} is missing"));
    }
    for pack in packs.iter().filter(|pack| pack.file_stem().is_some_and(|stem| stem.to_string_lossy() != new)) {
        let _ = fs::remove_file(pack.with_extension("idx"));
        let _ = fs::remove_file(pack);
        let _ = fs::remove_file(pack.with_extension("rev"));
    }
    for (_, path) in &loose {
        let _ = fs::remove_file(path);
    }
    repo.odb().and_then(|odb| odb.refresh()).map_err(failed)?;
    Ok(true)
}

fn loose_objects(objects: &Path) -> Vec<(Oid, PathBuf)> {
    let mut found = Vec::new();
    for directory in fs::read_dir(objects).into_iter().flatten().flatten() {
        let prefix = directory.file_name().to_string_lossy().into_owned();
        if prefix.len() != 2 {
            continue;
        }
        for entry in fs::read_dir(directory.path()).into_iter().flatten().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if let (40, Ok(id)) = (name.len(), Oid::from_str(&name)) {
                found.push((id, entry.path()));
            }
        }
    }
    found
}

fn small_packs(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.filter(|entry| entry.metadata().is_ok_and(|data| data.len() <= SMALL_PACK));
    paths.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "pack")).collect()
}
