//! The private key that signs, out of what `gpg --export-secret-keys` writes.
//!
//! The newest subkey that may sign, else the primary key, as GnuPG chooses. What binds a subkey to its primary key is not
//! verified: the file is the operator's own. Spec: RFC 9580, sections 3.7, 4.2, 5.2 and 5.5.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// A signature packet, a secret key and a secret subkey.
const SIGNATURE: u8 = 2;
const SECRET_KEY: u8 = 5;
const SECRET_SUBKEY: u8 = 7;
/// Of the key flags (section 5.2.3.29): it may sign data.
const MAY_SIGN: u8 = 0x02;
const ED25519_OID: [u8; 9] = [0x2B, 0x06, 0x01, 0x04, 0x01, 0xDA, 0x47, 0x0F, 0x01];

/// The public side of the key that signs.
pub(super) struct SigningKey {
    /// SHA-1 over the public key packet (section 5.5.4.2).
    pub(super) fingerprint: [u8; 20],
    /// The number of its algorithm.
    pub(super) algorithm: u8,
}

/// Its numbers, big-endian.
pub(super) enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8>, d: Vec<u8>, p: Vec<u8>, q: Vec<u8>, u: Vec<u8> },
    OldEd25519 { seed: Vec<u8>, public: Vec<u8> },
    Ed25519 { seed: Vec<u8>, public: Vec<u8> },
}

/// A key of the file, not opened yet.
struct Candidate<'p> {
    is_subkey: bool,
    algorithm: u8,
    /// The public part, as the fingerprint is made of it.
    public: &'p [u8],
    /// Behind it: how it is protected, and the private part.
    secret: &'p [u8],
    /// What its newest signature says that it may do; none = nothing is said.
    flags: Option<u8>,
    is_revoked: bool,
}

/// What a public key packet holds.
enum Public<'p> {
    Rsa { n: &'p [u8], e: &'p [u8] },
    OldEd25519 { point: &'p [u8] },
    Ed25519 { point: &'p [u8] },
}

/// Finds the key that signs, and opens it.
///
/// # Errors
/// Why there is none, without a word of the key.
pub(super) fn signing_key(packets: &[u8], passphrase: Option<&str>) -> Result<(SigningKey, Material), String> {
    let candidates = candidates(packets).ok_or("the packets of the key are damaged")?;
    let may_sign = |key: &&Candidate<'_>| {
        let is_there = key.secret.first().is_some_and(|usage| *usage < 253 || !is_stub(key.secret));
        let says_so = key.flags.map_or(!key.is_subkey, |flags| flags & MAY_SIGN != 0);
        is_there && says_so && !key.is_revoked
    };
    let chosen = candidates.iter().filter(may_sign).max_by_key(|key| (key.is_subkey, key.public.get(1..5)));
    let Some(chosen) = chosen else {
        return Err("none of its keys may sign, or their private parts are not in the file".to_owned());
    };
    let mut reader = Reader(chosen.public.get(6..).unwrap_or_default());
    let public = public(chosen.algorithm, &mut reader).ok_or_else(|| {
        format!("algorithm {} of OpenPGP is not carried out: give an RSA or an Ed25519 key", chosen.algorithm)
    })?;
    let plain = opened(chosen.secret, passphrase)?;
    let mut secret = Reader(&plain);
    let damaged = || "the private part of the key is damaged".to_owned();
    let material = match public {
        Public::Rsa { n, e } => {
            let mut next = || secret.number().map(<[u8]>::to_vec).ok_or_else(damaged);
            Material::Rsa { n: n.to_vec(), e: e.to_vec(), d: next()?, p: next()?, q: next()?, u: next()? }
        }
        Public::OldEd25519 { point } => {
            let seed = secret.number().filter(|seed| seed.len() <= 32).ok_or_else(damaged)?;
            // Zeros in front are left out of a number.
            let seed = [vec![0; 32 - seed.len()], seed.to_vec()].concat();
            Material::OldEd25519 { seed, public: point.to_vec() }
        }
        Public::Ed25519 { point } => {
            Material::Ed25519 { seed: secret.take(32).ok_or_else(damaged)?.to_vec(), public: point.to_vec() }
        }
    };
    let length = u16::try_from(chosen.public.len()).map_err(|_| damaged())?;
    let hashed = [&[0x99], &length.to_be_bytes()[..], chosen.public].concat();
    Ok((SigningKey { fingerprint: Sha1::digest(hashed).into(), algorithm: chosen.algorithm }, material))
}

/// Reads every private key of version 4 with what its signatures say.
fn candidates(packets: &[u8]) -> Option<Vec<Candidate<'_>>> {
    let mut reader = Reader(packets);
    let mut found: Vec<Candidate<'_>> = Vec::new();
    while !reader.0.is_empty() {
        let (tag, body) = reader.packet()?;
        match tag {
            SECRET_KEY | SECRET_SUBKEY => found.extend(candidate(tag == SECRET_SUBKEY, body)),
            SIGNATURE => drop(note(found.last_mut(), body)),
            _ => {}
        }
    }
    Some(found)
}

fn candidate(is_subkey: bool, body: &[u8]) -> Option<Candidate<'_>> {
    let (version, algorithm) = (*body.first()?, *body.get(5)?);
    let mut reader = Reader(body.get(6..)?);
    // Of another algorithm the end of the public part is not known, and it is none that signs here.
    public(algorithm, &mut reader).filter(|_| version == 4)?;
    let (public, secret) = body.split_at(body.len() - reader.0.len());
    Some(Candidate { is_subkey, algorithm, public, secret, flags: None, is_revoked: false })
}

/// Notes what a signature says of the key before it: a certification of the primary key, the binding of a subkey, or that
/// one is revoked.
fn note(key: Option<&mut Candidate<'_>>, body: &[u8]) -> Option<()> {
    let key = key?;
    let mut reader = Reader(body);
    let head = reader.take(4)?;
    let (version, kind) = (*head.first()?, *head.get(1)?);
    match (version, kind) {
        (4, 0x20 | 0x28) => key.is_revoked = true,
        (4, 0x10..=0x13 | 0x1F) if !key.is_subkey => {}
        (4, 0x18) if key.is_subkey => {}
        _ => return None,
    }
    let length = reader.short()?;
    let mut subpackets = Reader(reader.take(length)?);
    while !subpackets.0.is_empty() {
        let length = subpackets.length()?;
        let subpacket = subpackets.take(length)?;
        if subpacket.first().is_some_and(|kind| kind & 0x7F == 27) {
            key.flags = Some(subpacket.get(1).copied().unwrap_or_default());
        }
    }
    Some(())
}

fn public<'p>(algorithm: u8, reader: &mut Reader<'p>) -> Option<Public<'p>> {
    match algorithm {
        1 | 3 => Some(Public::Rsa { n: reader.number()?, e: reader.number()? }),
        22 => {
            let length = usize::from(*reader.take(1)?.first()?);
            let is_known = reader.take(length)? == ED25519_OID;
            let point = reader.number()?.strip_prefix(&[0x40])?;
            (is_known && point.len() == 32).then_some(Public::OldEd25519 { point })
        }
        27 => Some(Public::Ed25519 { point: reader.take(32)? }),
        _ => None,
    }
}

/// Tells whether the private part was left out (GnuPG's mode 101 and up: `--export-secret-subkeys`, smart cards).
fn is_stub(secret: &[u8]) -> bool {
    secret.get(2).is_some_and(|mode| *mode >= 100)
}

/// Gives the private part without its protection (section 3.7.2).
fn opened(secret: &[u8], passphrase: Option<&str>) -> Result<Vec<u8>, String> {
    let damaged = || "the private part of the key is damaged".to_owned();
    let mut reader = Reader(secret);
    let usage = reader.byte().ok_or_else(damaged)?;
    if usage == 0 {
        let (plain, sum) = split_end(reader.0, 2).ok_or_else(damaged)?;
        return if sum == sum_16(plain) { Ok(plain.to_vec()) } else { Err(damaged()) };
    }
    if !matches!(usage, 254 | 255) {
        return Err("the key is protected in a way that is not carried out: export it with GnuPG 2.2 or newer, or without a passphrase".to_owned());
    }
    let Some(passphrase) = passphrase else {
        return Err("the key is encrypted, and there is no passphrase".to_owned());
    };
    let cipher = reader.byte().ok_or_else(damaged)?;
    let size = match cipher {
        7 => 16,
        8 => 24,
        9 => 32,
        other => {
            return Err(format!("the key is encrypted with algorithm {other} of OpenPGP, and only AES is carried out"));
        }
    };
    let key = stretched(&mut reader, passphrase, size)?;
    let iv: [u8; 16] = reader.take(16).and_then(|iv| iv.try_into().ok()).ok_or_else(damaged)?;
    let plain = match cipher {
        7 => decrypted::<aes::Aes128>(&key, iv, reader.0),
        8 => decrypted::<aes::Aes192>(&key, iv, reader.0),
        _ => decrypted::<aes::Aes256>(&key, iv, reader.0),
    };
    let plain = plain.ok_or_else(damaged)?;
    let is_good = |plain: &[u8], sum: &[u8]| match usage {
        254 => sum == Sha1::digest(plain).as_slice(),
        _ => sum == sum_16(plain),
    };
    let (plain, sum) = split_end(&plain, if usage == 254 { 20 } else { 2 }).ok_or_else(damaged)?;
    if is_good(plain, sum) {
        Ok(plain.to_vec())
    } else {
        Err("the key cannot be opened with the passphrase".to_owned())
    }
}

/// Makes a key of a passphrase (section 3.7.1).
fn stretched(reader: &mut Reader<'_>, passphrase: &str, size: usize) -> Result<Vec<u8>, String> {
    let damaged = || "the private part of the key is damaged".to_owned();
    let mode = reader.byte().ok_or_else(damaged)?;
    let hash = reader.byte().ok_or_else(damaged)?;
    let salt = if matches!(mode, 1 | 3) { reader.take(8).ok_or_else(damaged)? } else { &[] };
    let salted = [salt, passphrase.as_bytes()].concat();
    let count = match mode {
        0 | 1 => salted.len(),
        3 => {
            let coded = usize::from(reader.byte().ok_or_else(damaged)?);
            ((16 + (coded & 15)) << ((coded >> 4) + 6)).max(salted.len())
        }
        other => return Err(format!("the key is protected by mode {other} of OpenPGP, which is not carried out")),
    };
    let mut key = Vec::new();
    // Where one hash is too short for the key, the next ones begin with zeros.
    for zeros in 0.. {
        if key.len() >= size {
            break;
        }
        let more = match hash {
            2 => repeated::<Sha1>(zeros, &salted, count),
            8 => repeated::<Sha256>(zeros, &salted, count),
            10 => repeated::<Sha512>(zeros, &salted, count),
            other => {
                return Err(format!("the key is protected with hash {other} of OpenPGP, which is not carried out"));
            }
        };
        key.extend(more);
    }
    key.truncate(size);
    Ok(key)
}

fn repeated<D: Digest>(zeros: usize, salted: &[u8], count: usize) -> Vec<u8> {
    let mut hash = D::new();
    hash.update(vec![0; zeros]);
    let mut left = count;
    while left > 0 && !salted.is_empty() {
        let part = salted.get(..left.min(salted.len())).unwrap_or_default();
        hash.update(part);
        left -= part.len();
    }
    hash.finalize().to_vec()
}

/// Cipher feedback over whole blocks; the last one may be shorter.
fn decrypted<C: BlockCipherEncrypt + KeyInit>(key: &[u8], iv: [u8; 16], content: &[u8]) -> Option<Vec<u8>> {
    let cipher = C::new_from_slice(key).ok()?;
    let mut plain = Vec::with_capacity(content.len());
    let mut register = iv.to_vec();
    for block in content.chunks(16) {
        let mut mask = aes::cipher::Block::<C>::try_from(register.as_slice()).ok()?;
        cipher.encrypt_block(&mut mask);
        plain.extend(block.iter().zip(mask.iter()).map(|(byte, mask)| byte ^ mask));
        register = block.to_vec();
    }
    Some(plain)
}

fn split_end(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(bytes.len().checked_sub(length)?)
}

fn sum_16(bytes: &[u8]) -> [u8; 2] {
    bytes.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte))).to_be_bytes()
}

/// Bytes that are taken from the front.
struct Reader<'p>(&'p [u8]);

impl<'p> Reader<'p> {
    fn take(&mut self, length: usize) -> Option<&'p [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn short(&mut self) -> Option<usize> {
        Some(usize::from(u16::from_be_bytes(self.take(2)?.try_into().ok()?)))
    }

    fn long(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.take(4)?.try_into().ok()?)).ok()
    }

    /// A number with its length in bits in front.
    fn number(&mut self) -> Option<&'p [u8]> {
        let bits = self.short()?;
        self.take(bits.div_ceil(8))
    }

    /// A length of the new format (section 4.2.1); partial ones are for data only.
    fn length(&mut self) -> Option<usize> {
        match self.byte()? {
            first @ 0..192 => Some(usize::from(first)),
            first @ 192..224 => Some(((usize::from(first) - 192) << 8) + usize::from(self.byte()?) + 192),
            255 => self.long(),
            224..255 => None,
        }
    }

    /// The type of the next packet, and its body.
    fn packet(&mut self) -> Option<(u8, &'p [u8])> {
        let header = self.byte()?;
        let (tag, length) = if header & 0xC0 == 0xC0 {
            (header & 0x3F, self.length()?)
        } else if header & 0x80 != 0 {
            let length = match header & 3 {
                0 => usize::from(self.byte()?),
                1 => self.short()?,
                2 => self.long()?,
                _ => self.0.len(),
            };
            ((header >> 2) & 0x0F, length)
        } else {
            return None;
        };
        Some((tag, self.take(length)?))
    }
}
