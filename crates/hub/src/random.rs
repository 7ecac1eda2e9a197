//! Randomness from the operating system, or from the browser, for identities and tags.

/// Returns 64 random bits.
///
/// # Panics
/// If the operating system provides no randomness, which can happen only before the first
/// successful call, if ever.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn bits() -> u64 {
    getrandom::u64().expect("the operating system gives randomness")
}

/// Returns 64 random bits.
#[cfg(target_family = "wasm")]
pub(crate) fn bits() -> u64 {
    use wasm_bindgen::prelude::wasm_bindgen;

    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
        fn fill_with_random(bytes: &mut [u8]);
    }

    let mut bytes = [0; 8];
    fill_with_random(&mut bytes);
    u64::from_ne_bytes(bytes)
}
