//! Environments as people lay them out in Git: dev by itself, staging by release, production by pull request.
//!
//! One story on three layouts, each with its ApplicationSets and one rule for all services.

mod chain;
mod landscape;
mod layouts;
