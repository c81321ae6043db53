//! OpenPGP signatures of commits, as `git verify-commit` reads them.
//!
//! A detached signature of version 4 over the bytes of the commit, by an RSA or an Ed25519 key; `openpgp/key.rs` reads it.
//! Nothing here encrypts, verifies or asks an agent. Spec: RFC 9580, sections 4 to 6; Ed25519 of version 4 keys as GnuPG has
//! it (algorithm 22, RFC 9580 section 9.1).

mod key;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::signature::{Ed25519KeyPair, RSA_PKCS1_SHA512};
use sha2::{Digest, Sha512};

use crate::git::openpgp::key::{Material, SigningKey};
use crate::git::ssh_login::RingRsa;
use crate::secret::Secret;

/// A signature over bytes as they are.
const BINARY: u8 = 0x00;
const SHA512: u8 = 10;
/// Characters of a line of armour.
const LINE: usize = 64;

/// A private key that signs.
pub(in crate::git) struct OpenPgpKey {
    key: SigningKey,
    pair: Pair,
}

/// The key as ring takes it.
enum Pair {
    Rsa(RingRsa),
    /// The signature as two numbers, as GnuPG's keys have it.
    OldEd25519(Ed25519KeyPair),
    Ed25519(Ed25519KeyPair),
}

impl OpenPgpKey {
    /// Reads an armoured private key and opens what signs with its passphrase.
    ///
    /// # Errors
    /// Why it cannot sign, without a word of the key.
    pub(in crate::git) fn new(armoured: &Secret, passphrase: Option<&Secret>) -> Result<Self, String> {
        let packets = dearmoured(armoured.expose()).ok_or("the key is no armoured PGP private key, or is damaged")?;
        let (key, material) = key::signing_key(&packets, passphrase.map(Secret::expose))?;
        let no_pair = |_| "the private part of the key does not belong to its public part".to_owned();
        let pair = match material {
            Material::Rsa { n, e, d, p, q, u } => {
                // OpenPGP's `u` is the inverse of p modulo q, ring wants that of q modulo p.
                Pair::Rsa(RingRsa::from_parts((n, e), d, (q, p), u).map_err(|error| error.to_string())?)
            }
            Material::OldEd25519 { seed, public } => {
                Pair::OldEd25519(Ed25519KeyPair::from_seed_and_public_key(&seed, &public).map_err(no_pair)?)
            }
            Material::Ed25519 { seed, public } => {
                Pair::Ed25519(Ed25519KeyPair::from_seed_and_public_key(&seed, &public).map_err(no_pair)?)
            }
        };
        Ok(Self { key, pair })
    }

    /// Gives the fingerprint of the key that signs, as `gpg --list-keys --with-subkey-fingerprint` shows it.
    pub(in crate::git) fn fingerprint(&self) -> String {
        hex::encode_upper(self.key.fingerprint)
    }

    /// Signs bytes; gives the armoured signature, without a line end behind it.
    ///
    /// # Errors
    /// Why the key cannot sign.
    pub(in crate::git) fn sign(&self, content: &[u8], time: Timestamp) -> Result<String, String> {
        let seconds = u32::try_from(time.as_second()).map_err(|_| "no OpenPGP signature has such a time".to_owned())?;
        // Issuer fingerprint (33) and signature creation time (2); the issuer key id (16) for older readers.
        let fingerprint = [&[22, 33, 4], self.key.fingerprint.as_slice()].concat();
        let hashed = [&fingerprint, &[5, 2][..], &seconds.to_be_bytes()].concat();
        let id = self.key.fingerprint.get(12..).unwrap_or_default();
        let unhashed = [&[9, 16], id].concat();
        let head = [&[4, BINARY, self.key.algorithm, SHA512][..], &length_16(&hashed), &hashed].concat();
        let length = u32::try_from(head.len()).unwrap_or_default();
        let signed = [content, &head, &[4, 0xFF], &length.to_be_bytes()].concat();
        let digest = Sha512::digest(&signed);
        let signature = match &self.pair {
            Pair::Rsa(rsa) => number(&rsa.sign(&RSA_PKCS1_SHA512, &signed).map_err(|error| error.to_string())?),
            Pair::OldEd25519(pair) => {
                let raw = pair.sign(&digest);
                let (r, s) = raw.as_ref().split_at(32);
                [number(r), number(s)].concat()
            }
            Pair::Ed25519(pair) => pair.sign(&digest).as_ref().to_vec(),
        };
        let check = digest.get(..2).unwrap_or_default();
        let body = [head.as_slice(), &length_16(&unhashed), &unhashed, check, &signature].concat();
        let length = u32::try_from(body.len()).unwrap_or_default();
        // A packet of the new format (6), type 2, with a length of four bytes.
        Ok(armoured(&[&[0xC2, 0xFF][..], &length.to_be_bytes(), &body].concat()))
    }
}

fn length_16(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap_or_default().to_be_bytes()
}

/// A number with its length in bits in front (section 3.2).
fn number(bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.get(bytes.iter().take_while(|byte| **byte == 0).count()..).unwrap_or_default();
    let unused = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = u16::try_from(bytes.len() * 8 - unused).unwrap_or_default();
    [&bits.to_be_bytes(), bytes].concat()
}

fn armoured(packet: &[u8]) -> String {
    let text = STANDARD.encode(packet);
    let mut lines = String::from("-----BEGIN PGP SIGNATURE-----\n\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(LINE));
        lines.push_str(line);
        lines.push('\n');
        rest = next;
    }
    let sum = checksum(packet).to_be_bytes();
    let sum = STANDARD.encode(sum.get(1..).unwrap_or_default());
    format!("{lines}={sum}\n-----END PGP SIGNATURE-----")
}

/// Takes the armour off a private key; the checksum is optional (section 6.1).
fn dearmoured(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN PGP PRIVATE KEY BLOCK-----")?;
    let (body, _) = rest.split_once("-----END PGP PRIVATE KEY BLOCK-----")?;
    // Headers such as `Version:` end with an empty line.
    let mut lines: Vec<&str> = body.lines().map(str::trim).collect();
    if let Some(end) = lines.iter().skip(1).position(|line| line.is_empty())
        && lines.iter().skip(1).take(end).all(|line| line.contains(": ") || line.ends_with(':'))
    {
        lines.drain(..end + 2);
    }
    let (sums, lines): (Vec<&str>, Vec<&str>) = lines.into_iter().partition(|line| line.starts_with('='));
    let packets = STANDARD.decode(lines.concat()).ok()?;
    let sum = sums.first().map(|sum| STANDARD.decode(sum.trim_start_matches('=')));
    let is_whole = match sum {
        None => true,
        Some(Ok(sum)) => checksum(&packets).to_be_bytes().get(1..) == Some(sum.as_slice()),
        Some(Err(_)) => false,
    };
    is_whole.then_some(packets)
}

/// CRC-24 (section 6.1.1).
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xB7_04CE, |sum, byte| {
        (0..8).fold(sum ^ (u32::from(*byte) << 16), |sum, _| {
            let shifted = sum << 1;
            if shifted & 0x100_0000 == 0 { shifted } else { shifted ^ 0x186_4CFB }
        }) & 0xFF_FFFF
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_checksums_are_those_of_the_specification() {
        // RFC 9580, section 3.2, and the check value of CRC-24/OPENPGP.
        assert_eq!(number(&[1]), [0, 1, 1]);
        assert_eq!(number(&[0x01, 0xFF]), [0, 9, 0x01, 0xFF]);
        assert_eq!(number(&[0, 0, 0x80]), [0, 8, 0x80]);
        assert_eq!(number(&[0, 0]), [0, 0]);
        assert_eq!(checksum(b"123456789"), 0x21_CF02);
        assert_eq!(checksum(b""), 0xB7_04CE);
    }

    #[test]
    fn a_damaged_armour_is_no_key() {
        let sum = |bytes: &[u8]| STANDARD.encode(&checksum(bytes).to_be_bytes()[1..]);
        let block = |inner: &str| {
            format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\n{inner}\n-----END PGP PRIVATE KEY BLOCK-----\n")
        };
        let good = Some(b"hello".to_vec());
        for (inner, expected) in [
            ("\naGVsbG8=".to_owned(), good.clone()),
            (format!("\naGVsbG8=\n={}", sum(b"hello")), good.clone()),
            (format!("Version: 1\nComment: a b\n\naGVs\nbG8=\n={}", sum(b"hello")), good),
            (format!("\naGVsbG8=\n={}", sum(b"hallo")), None),
            ("\naGVsbG8=\n=????".to_owned(), None),
            ("\nno base64 at all!".to_owned(), None),
        ] {
            assert_eq!(dearmoured(&block(&inner)), expected, "{inner}");
        }
        assert_eq!(dearmoured("-----BEGIN PGP PUBLIC KEY BLOCK-----"), None);
    }
}
