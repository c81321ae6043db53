//! Git at the edge: a kept bare mirror of a remote, what stands in it, its past, own commits, and the push.
//!
//! Files are read from trees and edits are new blobs and trees in the object database; there is no work tree to escape
//! from (`SECURITY.md`, row 1). Everything here blocks: call it where blocking is allowed. Nothing here decides what is
//! written or tries again.
//!
//! Specs: git's object and pack formats, gitprotocol-pack(5) and gitprotocol-http(5) version 0, and what they run over.

mod access;
mod address;
mod commit;
mod directory;
mod error;
mod history;
mod http_stream;
mod https;
mod kept;
mod known_hosts;
mod made;
mod mirror;
mod network;
mod openpgp;
mod process;
mod push;
mod signature;
mod ssh;
mod ssh_login;
mod ssh_stream;
mod sync;
mod tidy;
mod traffic;
mod transport;
mod tree;

pub use access::Access;
pub use commit::{Authorship, Identity};
pub use directory::{Child, Directory, DirectoryId, Entry, Node, Trees};
pub use error::{GitError, Remote};
pub use history::{History, HistoryLimits, Stretch};
pub use mirror::{Mirror, Options};
pub use push::RefUpdate;
pub use signature::Signer;
pub use ssh_login::is_encrypted_key;
pub use sync::{Head, Look};
pub use traffic::{Reads, Traffic, reads, traffic};
pub use tree::EntryKind;
