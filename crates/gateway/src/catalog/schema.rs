//! The types of one upstream.

use std::fmt;

use crate::descriptor::{DescriptorError, Pool};
use crate::reflection::FileSet;
use crate::transcode::Tables;

/// The types of an upstream, and the services that it offers.
pub struct Schema {
    pool: Pool,
    tables: Tables,
    services: Vec<String>,
    /// The descriptors as they were read, for clients that ask for them.
    set: FileSet,
}

impl Schema {
    /// Reads and links a set of descriptors.
    ///
    /// # Errors
    /// A [`DescriptorError`] that names the file and the reason.
    pub fn new(set: &FileSet) -> Result<Self, DescriptorError> {
        let pool = Pool::from_files(set.files())?;
        let tables = Tables::new(&pool)?;
        let services = set.services().map(str::to_owned).collect();
        Ok(Self { pool, tables, services, set: set.clone() })
    }

    /// Returns the types.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Returns the tables of the transcoder.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Returns the encoded descriptors.
    pub(crate) fn file_set(&self) -> &FileSet {
        &self.set
    }

    /// Returns the full names of the services to offer, in order.
    pub fn services(&self) -> &[String] {
        &self.services
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("pool", &self.pool).finish_non_exhaustive()
    }
}
