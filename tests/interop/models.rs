//! Hosted registries as state models, one file each. Every quirk is named there with its source: a page of documentation,
//! an issue or a pull request, or a file of the registry's own code. What has no source is not modelled.

#[path = "models/acr.rs"]
pub mod acr;
#[path = "models/artifactory.rs"]
pub mod artifactory;
#[path = "models/distribution.rs"]
pub mod distribution;
#[path = "models/docker_hub.rs"]
pub mod docker_hub;
#[path = "models/ecr.rs"]
pub mod ecr;
#[path = "models/gar.rs"]
pub mod gar;
#[path = "models/ghcr.rs"]
pub mod ghcr;
#[path = "models/gitlab.rs"]
pub mod gitlab;
#[path = "models/harbor.rs"]
pub mod harbor;
#[path = "models/nexus.rs"]
pub mod nexus;
#[path = "models/quay.rs"]
pub mod quay;
#[path = "models/zot.rs"]
pub mod zot;
