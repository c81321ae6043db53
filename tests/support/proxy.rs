//! A small proxy on loopback: HTTP CONNECT and SOCKS5, with or without a password.
//!
//! Include it with `#[path = "support/proxy.rs"] mod …`.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Connect,
    Socks5,
}

/// The running proxy. Its threads end with the test.
pub struct Proxy {
    address: SocketAddr,
    kind: Kind,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts a proxy that wants this user and password, if any.
    pub fn start(kind: Kind, login: Option<(&'static str, &'static str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let targets = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let targets = Arc::clone(&targets);
                thread::spawn(move || {
                    let opened = match kind {
                        Kind::Connect => connect(&stream, login),
                        Kind::Socks5 => socks5(&stream, login),
                    };
                    if let Ok((target, server)) = opened {
                        targets.lock().unwrap().push(target);
                        relay(stream, server);
                    }
                });
            }
        });
        Self { address, kind, seen }
    }

    /// Gives its URL, with a user and a password if given.
    pub fn url(&self, login: &str) -> String {
        let scheme = if self.kind == Kind::Connect { "http" } else { "socks5" };
        format!("{scheme}://{login}{}", self.address)
    }

    /// Gives `host:port` of every connection that it made.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn connect(mut stream: &TcpStream, login: Option<(&str, &str)>) -> io::Result<(String, TcpStream)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned();
    if let Some((user, password)) = login {
        let wanted = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let given = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("proxy-authorization").then_some(value)
        });
        if given != Some(format!("Basic {wanted}").as_str()) {
            stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")?;
            return Err(io::Error::other("no password"));
        }
    }
    let server = TcpStream::connect(&target)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    Ok((target, server))
}

/// RFC 1928 and RFC 1929, as far as a client that asks for a connection goes.
fn socks5(stream: &TcpStream, login: Option<(&str, &str)>) -> io::Result<(String, TcpStream)> {
    let (mut reader, mut writer) = (stream, stream);
    let mut take = |count: usize| {
        let mut bytes = vec![0; count];
        reader.read_exact(&mut bytes).map(|()| bytes)
    };
    let count = take(2)?[1];
    let methods = take(usize::from(count))?;
    let method = if login.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        writer.write_all(&[5, 255])?;
        return Err(io::Error::other("no method"));
    }
    writer.write_all(&[5, method])?;
    if let Some((user, password)) = login {
        let length = take(2)?[1];
        let given_user = take(usize::from(length))?;
        let length = take(1)?[0];
        let given_password = take(usize::from(length))?;
        let right = given_user == user.as_bytes() && given_password == password.as_bytes();
        writer.write_all(&[1, u8::from(!right)])?;
        if !right {
            return Err(io::Error::other("wrong password"));
        }
    }
    let request = take(4)?;
    let host = match request[3] {
        1 => take(4)?.iter().map(ToString::to_string).collect::<Vec<_>>().join("."),
        3 => {
            let length = take(1)?[0];
            String::from_utf8_lossy(&take(usize::from(length))?).into_owned()
        }
        _ => return Err(io::Error::other("an address of another kind")),
    };
    let port = take(2)?;
    let target = format!("{host}:{}", u16::from_be_bytes([port[0], port[1]]));
    let server = TcpStream::connect(&target)?;
    writer.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    Ok((target, server))
}

fn relay(client: TcpStream, server: TcpStream) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (server, client);
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}
