//! From the environment to a client of one bucket.
//!
//! Belongs here: what is set and how long is waited. Does not: requests.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

use crate::error::{StoreError, one_line};
use crate::location::{Location, Scheme};

/// How long a store is waited for, and what goes before the environment.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// For how long a request that fails is sent again.
    pub retry_for: Duration,
    /// After how long without a byte an answer is given up, and asked for again. Whole
    /// parts of uploads have four times as long: of the bytes that are sent nothing is
    /// heard.
    pub silence: Duration,
    /// Variables as in the environment (`AWS_ENDPOINT_URL`, …), which go before it.
    pub variables: Vec<(String, String)>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            retry_for: Duration::from_secs(120),
            silence: Duration::from_secs(30),
            variables: Vec::new(),
        }
    }
}

/// Two clients of a bucket, which differ in when they give up an answer.
pub(crate) struct Clients {
    /// For requests that are short and answers that may be long.
    pub(crate) down: Arc<dyn ObjectStore>,
    /// For what may take long to send.
    pub(crate) up: Arc<dyn ObjectStore>,
}

impl Clients {
    pub(crate) fn new(at: &Location, options: &StoreOptions) -> Result<Self, StoreError> {
        let send = options.silence.saturating_mul(4);
        Ok(Self {
            down: build(
                at,
                options,
                &[(ClientConfigKey::ReadTimeout, options.silence)],
            )?,
            up: build(at, options, &[(ClientConfigKey::Timeout, send)])?,
        })
    }
}

/// Before a request is sent again; then longer each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A whole answer takes as long as it is long.
const NO_LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);

fn build(
    at: &Location,
    options: &StoreOptions,
    limits: &[(ClientConfigKey, Duration)],
) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let bucket = at.bucket.as_str();
    let retry = RetryConfig {
        backoff: BackoffConfig {
            // The last one may begin shortly before the end.
            max_backoff: (options.retry_for / 8).clamp(FIRST_PAUSE, FIRST_PAUSE * 100),
            init_backoff: FIRST_PAUSE,
            ..BackoffConfig::default()
        },
        // The time counts.
        max_retries: usize::MAX,
        retry_timeout: options.retry_for,
    };
    let mut client = vec![(ClientConfigKey::Timeout, NO_LIMIT)];
    client.extend_from_slice(limits);
    // What no variable of this store is called is for another, as in the environment.
    macro_rules! with {
        ($builder:expr, $client:path) => {{
            let mut builder = $builder.with_retry(retry);
            for (name, value) in &options.variables {
                if let Ok(key) = name.to_ascii_lowercase().parse() {
                    builder = builder.with_config(key, value);
                }
            }
            for (key, limit) in client {
                let limit = format!("{} ms", limit.as_millis());
                builder = builder.with_config($client(key), limit);
            }
            builder
        }};
    }
    let built: Result<Arc<dyn ObjectStore>, _> = match at.scheme {
        // Not all that speak S3 know how to remove many, and here it is one at a time.
        Scheme::S3 => with!(AmazonS3Builder::from_env(), AmazonS3ConfigKey::Client)
            .with_disable_bulk_delete(true)
            .with_bucket_name(bucket)
            .build()
            .map(|store| Arc::new(store) as _),
        Scheme::Gs => with!(
            GoogleCloudStorageBuilder::from_env(),
            GoogleConfigKey::Client
        )
        .with_bucket_name(bucket)
        .build()
        .map(|store| Arc::new(store) as _),
        Scheme::Az => with!(MicrosoftAzureBuilder::from_env(), AzureConfigKey::Client)
            .with_container_name(bucket)
            .build()
            .map(|store| Arc::new(store) as _),
    };
    built.map_err(|error| StoreError::Settings {
        cause: format!(
            "{at}: {}; check {} and {}",
            one_line(&error.to_string()),
            at.scheme.credentials(),
            at.scheme.endpoint()
        ),
    })
}
