use redis::{Cmd, Script, cmd};

/// Returns the source of a script, behind what it shares with the others.
macro_rules! source {
    ($name:literal) => {
        concat!(include_str!("lua/room.lua"), include_str!(concat!("lua/", $name, ".lua")))
    };
}

/// The scripts that Redis runs, each without interruption by other commands.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) publish: LoadedScript,
    pub(super) read: LoadedScript,
    pub(super) top: LoadedScript,
    pub(super) replace_epoch: LoadedScript,
    pub(super) remove: LoadedScript,
}

/// A script that is called by the hash of its source.
#[derive(Debug)]
pub(super) struct LoadedScript {
    source: &'static str,
    hash: Box<str>,
}

impl LoadedScript {
    fn new(source: &'static str) -> Self {
        Self { source, hash: Script::new(source).get_hash().into() }
    }

    /// Begins a call; the arguments of the script follow.
    pub(super) fn call(&self, keys: &[String]) -> Cmd {
        let mut command = cmd("EVALSHA");
        command.arg(&*self.hash).arg(keys.len()).arg(keys);
        command
    }
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            publish: LoadedScript::new(source!("publish")),
            read: LoadedScript::new(source!("read")),
            top: LoadedScript::new(source!("top")),
            replace_epoch: LoadedScript::new(source!("replace_epoch")),
            remove: LoadedScript::new(source!("remove")),
        }
    }

    /// Returns the commands that load all scripts.
    pub(super) fn load(&self) -> redis::Pipeline {
        let mut pipeline = redis::pipe();
        for script in [&self.publish, &self.read, &self.top, &self.replace_epoch, &self.remove] {
            pipeline.cmd("SCRIPT").arg("LOAD").arg(script.source);
        }
        pipeline
    }
}
