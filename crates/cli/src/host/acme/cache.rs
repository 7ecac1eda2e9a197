//! The folder in which account and certificate outlive the program. Files in it are readable by
//! their owner only, since each holds a private key.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use rustls_acme::{AccountCache, CertCache};

/// The folder of `--acme-cache`.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Opens the folder, or creates it.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(super) fn open(folder: PathBuf) -> anyhow::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&folder)
            .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        Ok(Self { folder })
    }

    async fn load(&self, name: String) -> io::Result<Option<Vec<u8>>> {
        let file = self.folder.join(name);
        run(move || match std::fs::read(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        })
        .await
    }

    async fn store(&self, name: String, content: &[u8]) -> io::Result<()> {
        let (file, content) = (self.folder.join(name), content.to_owned());
        run(move || replace(&file, &content)).await
    }
}

/// Replaces the content of a file in one step.
fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let new = file.with_extension(format!("new-{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut writer = options.open(&new)?;
    writer.write_all(content)?;
    writer.sync_all()?;
    std::fs::rename(new, file)
}

async fn run<T: Send + 'static>(
    task: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(task).await.map_err(io::Error::other)?
}

/// Returns the name of the file for these names or contacts of an authority.
fn name(kind: &str, parts: &[String], directory: &str) -> String {
    // No name, contact or URL contains a line feed.
    let key = format!("{}\n{directory}", parts.join("\n"));
    let digest = digest(&SHA256, key.as_bytes());
    format!("{kind}-{}.pem", BASE64_URL_SAFE_NO_PAD.encode(digest))
}

#[async_trait]
impl CertCache for Cache {
    type EC = io::Error;

    async fn load_cert(&self, names: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        self.load(name("certificate", names, directory)).await
    }

    async fn store_cert(&self, names: &[String], directory: &str, pem: &[u8]) -> io::Result<()> {
        self.store(name("certificate", names, directory), pem).await
    }
}

#[async_trait]
impl AccountCache for Cache {
    type EA = io::Error;

    async fn load_account(
        &self,
        contacts: &[String],
        directory: &str,
    ) -> io::Result<Option<Vec<u8>>> {
        self.load(name("account", contacts, directory)).await
    }

    async fn store_account(
        &self,
        contacts: &[String],
        directory: &str,
        key: &[u8],
    ) -> io::Result<()> {
        self.store(name("account", contacts, directory), key).await
    }
}
