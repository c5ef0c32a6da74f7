//! Whom to believe: the certificates of this machine, and one's own.
//!
//! Belongs here: certificates and the cryptography of all encrypted connections. Does not:
//! connections.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Named, because a program with several would otherwise have to choose one for all.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// This machine's certificates, and those in a PEM file.
///
/// # Errors
/// The file, or that there are none at all, and the next step.
pub(super) fn roots(own: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, String> {
    // Certificates of the system that cannot be read are skipped: one broken file must not
    // disable the others.
    let mut roots = rustls_native_certs::load_native_certs().certs;
    if let Some(file) = own {
        let unreadable = |cause| format!("ca {}: {cause}", file.display());
        let before = roots.len();
        for one in CertificateDer::pem_file_iter(file).map_err(|e| unreadable(e.to_string()))? {
            roots.push(one.map_err(|e| unreadable(e.to_string()))?);
        }
        if roots.len() == before {
            return Err(unreadable(
                "there is no certificate in it; give a PEM file".into(),
            ));
        }
    }
    if roots.is_empty() {
        return Err("this machine has no certificates; install ca-certificates".into());
    }
    Ok(roots)
}

/// How a client believes a server.
///
/// # Errors
/// As [`roots`].
pub(super) fn client(own: Option<&Path>) -> Result<ClientConfig, String> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots(own)?);
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    Ok(config.with_root_certificates(store).with_no_client_auth())
}
