//! Whether an object is the one that was just written here.
//!
//! A connection that ends before the answer leaves open whether a request was carried
//! out, and the request that follows finds what the first one made. So every object that
//! this matters for is marked, by a number that nobody else has.

use object_store::path::Path;
use object_store::{Attribute, AttributeValue, Attributes, GetOptions, ObjectStore};

/// Azure allows no dashes in it.
const NAME: &str = "l3netmark";

pub(crate) struct Mark(String);

impl Mark {
    pub(crate) fn new() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    pub(crate) fn attributes(&self) -> Attributes {
        let value = AttributeValue::from(self.0.clone());
        Attributes::from_iter([(Attribute::Metadata(NAME.into()), value)])
    }

    /// `None` if there is no object.
    pub(crate) async fn is_on(
        &self,
        store: &dyn ObjectStore,
        path: &Path,
    ) -> object_store::Result<Option<bool>> {
        let head = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        match store.get_opts(path, head).await {
            Ok(there) => {
                let mark = there.attributes.get(&Attribute::Metadata(NAME.into()));
                Ok(Some(mark.is_some_and(|mark| mark.as_ref() == self.0)))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
