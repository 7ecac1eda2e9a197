//! The files of the page.

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asset {
    /// The name below the folder; empty for the page itself.
    name: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($name:literal, $content_type:expr) => {
        asset!($name, $content_type, $name)
    };
    ($name:literal, $content_type:expr, $file:literal) => {
        Asset {
            name: $name,
            content_type: $content_type,
            body: include_str!(concat!("../../console/", $file)),
        }
    };
}

const ASSETS: &[Asset] = &[
    asset!("", HTML, "index.html"),
    asset!("page.css", CSS),
    asset!("call.css", CSS),
    asset!("icon.svg", "image/svg+xml"),
    asset!("app.js", SCRIPT),
    asset!("catalog.js", SCRIPT),
    asset!("check.js", SCRIPT),
    asset!("command-import.js", SCRIPT),
    asset!("commands.js", SCRIPT),
    asset!("comment.js", SCRIPT),
    asset!("compare-panel.js", SCRIPT),
    asset!("complete.js", SCRIPT),
    asset!("completion.js", SCRIPT),
    asset!("connect-stream.js", SCRIPT),
    asset!("connect-unary.js", SCRIPT),
    asset!("copy-panel.js", SCRIPT),
    asset!("definition.js", SCRIPT),
    asset!("dialects.js", SCRIPT),
    asset!("diff.js", SCRIPT),
    asset!("dom.js", SCRIPT),
    asset!("draft.js", SCRIPT),
    asset!("form-controls.js", SCRIPT),
    asset!("form.js", SCRIPT),
    asset!("format.js", SCRIPT),
    asset!("history-panel.js", SCRIPT),
    asset!("http-call.js", SCRIPT),
    asset!("import-panel.js", SCRIPT),
    asset!("json-fault.js", SCRIPT),
    asset!("json.js", SCRIPT),
    asset!("metadata-editor.js", SCRIPT),
    asset!("method-list.js", SCRIPT),
    asset!("permalink.js", SCRIPT),
    asset!("request-panel.js", SCRIPT),
    asset!("response-panel.js", SCRIPT),
    asset!("rest-match.js", SCRIPT),
    asset!("rest-panel.js", SCRIPT),
    asset!("rest-view.js", SCRIPT),
    asset!("rest.js", SCRIPT),
    asset!("running-call.js", SCRIPT),
    asset!("secret.js", SCRIPT),
    asset!("shell.js", SCRIPT),
    asset!("sockeye-grpc.js", SCRIPT, "../js/sockeye-grpc.js"),
    asset!("status.js", SCRIPT),
    asset!("store.js", SCRIPT),
    asset!("template.js", SCRIPT),
    asset!("timeout.js", SCRIPT),
    asset!("types-panel.js", SCRIPT),
    asset!("websocket.js", SCRIPT),
];

/// Finds a file by its name.
pub(crate) fn asset(name: &str) -> Option<Asset> {
    ASSETS.iter().find(|asset| asset.name == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_that_a_script_imports_is_built_in() {
        for asset in ASSETS {
            for line in asset.body.lines().filter(|line| line.starts_with("import ")) {
                let name = line.split('"').nth(1).and_then(|name| name.strip_prefix("./"));
                let name = name.expect("an import names a module of this folder");
                assert!(self::asset(name).is_some(), "{}: {line}", asset.name);
            }
        }
    }

    #[test]
    fn the_page_loads_files_that_are_built_in() {
        let page = asset("").unwrap().body;
        for (attribute, _) in page.match_indices("href=\"").chain(page.match_indices("src=\"")) {
            let name = page[attribute..].split('"').nth(1).unwrap();
            let is_own = !name.starts_with('#') && !name.starts_with("../");
            assert!(!is_own || asset(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_page_fetches_nothing_from_elsewhere() {
        for asset in ASSETS.iter().filter(|asset| asset.content_type != SCRIPT) {
            let body = asset.body.replace("http://www.w3.org/2000/svg", "");
            assert!(!body.contains("http://") && !body.contains("https://"), "{}", asset.name);
        }
    }
}
