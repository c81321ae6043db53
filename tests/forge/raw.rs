//! Plain requests to a model, as `curl` would make them.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::fake::FakeForge;

/// A client of one forge with a token.
pub struct Raw {
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    api: String,
    token: String,
}

/// What was answered.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answered {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Raw {
    pub fn of(forge: &FakeForge) -> Self {
        Self::with(forge, forge.token())
    }

    pub fn with(forge: &FakeForge, token: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().user_agent("raw").build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { client, runtime, api: forge.api_url(), token: token.to_owned() }
    }

    pub fn get(&self, path: &str) -> Answered {
        self.ask("GET", path, None)
    }

    pub fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answered {
        self.ask_with(method, path, body, &[]).unwrap()
    }

    /// An answer, or none if the connection ended.
    pub fn ask_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answered, reqwest::Error> {
        let url = format!("{}{path}", self.api);
        let mut request = self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        request = request.bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        self.runtime.block_on(async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = response.text().await?;
            Ok(Answered { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null) })
        })
    }
}
