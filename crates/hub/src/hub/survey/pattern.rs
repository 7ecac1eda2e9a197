/// Returns whether a whole name matches a pattern, in which `*` stands for any number of characters
/// and `?` for one. Takes time in proportion to the product of both lengths at most.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (mut rest, mut pattern) = (name.chars(), pattern.chars());
    // The pattern after the last `*`, and the name from where that `*` begins to match.
    let mut star = None;
    loop {
        let (before, mut ahead) = (rest.clone(), pattern.clone());
        match ahead.next() {
            Some('*') => {
                pattern = ahead;
                star = Some((pattern.clone(), before));
                continue;
            }
            expected => match (expected, rest.next()) {
                (None, None) => return true,
                (Some('?'), Some(_)) => {
                    pattern = ahead;
                    continue;
                }
                (Some(expected), Some(character)) if expected == character => {
                    pattern = ahead;
                    continue;
                }
                _ => {}
            },
        }
        // The last `*` takes one more character.
        let Some((after_star, mut from)) = star else { return false };
        if from.next().is_none() {
            return false;
        }
        pattern = after_star.clone();
        rest = from.clone();
        star = Some((after_star, from));
    }
}
