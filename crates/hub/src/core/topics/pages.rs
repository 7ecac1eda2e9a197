/// The number of values of a page: one bit each in a `u64`.
const PAGE: u32 = u64::BITS;

/// A sparse array: values by `u32` keys that are dense on the whole. Values live in pages of 64; a
/// page is allocated with its first value and freed with its last. Growth moves no value. What
/// stays allocated for each page up to the highest one ever used is a pointer.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    pages: Vec<Option<Box<Page<T>>>>,
}

#[derive(Debug)]
struct Page<T> {
    /// A bit for each slot that has a value.
    occupied: u64,
    slots: [Option<T>; PAGE as usize],
}

impl<T> Pages<T> {
    pub(crate) const fn new() -> Self {
        Self { pages: Vec::new() }
    }

    pub(crate) const fn page_of(key: u32) -> u32 {
        key / PAGE
    }

    pub(crate) fn get(&self, key: u32) -> Option<&T> {
        let page = self.pages.get(Self::page_of(key) as usize)?.as_ref()?;
        page.slots[slot_of(key)].as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        let page = self.pages.get_mut(Self::page_of(key) as usize)?.as_mut()?;
        page.slots[slot_of(key)].as_mut()
    }

    /// Returns the value of a key. A key without a value gets the default one.
    pub(crate) fn get_or_default(&mut self, key: u32) -> &mut T
    where
        T: Default,
    {
        let page = self.page_mut(key);
        page.occupied |= 1 << slot_of(key);
        page.slots[slot_of(key)].get_or_insert_default()
    }

    pub(crate) fn insert(&mut self, key: u32, value: T) {
        let page = self.page_mut(key);
        page.occupied |= 1 << slot_of(key);
        page.slots[slot_of(key)] = Some(value);
    }

    pub(crate) fn remove(&mut self, key: u32) -> Option<T> {
        let entry = self.pages.get_mut(Self::page_of(key) as usize)?;
        let page = entry.as_mut()?;
        let value = page.slots[slot_of(key)].take()?;
        page.occupied &= !(1 << slot_of(key));
        if page.occupied == 0 {
            *entry = None;
        }
        Some(value)
    }

    /// Adds an empty page behind the others and returns its number.
    pub(crate) fn add_page(&mut self) -> u32 {
        self.pages.push(None);
        u32::try_from(self.pages.len() - 1).expect("the keys of a page are u32")
    }

    /// Returns the lowest key of a page that has no value.
    pub(crate) fn first_vacant(&self, page: u32) -> Option<u32> {
        let occupied = self.pages.get(page as usize)?.as_ref().map_or(0, |page| page.occupied);
        (occupied != u64::MAX).then(|| page * PAGE + occupied.trailing_ones())
    }

    /// Returns the keys with their values, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let pages = (0u32..).zip(&self.pages);
        let pages = pages.filter_map(|(number, page)| Some((number, page.as_ref()?)));
        pages.flat_map(|(number, page)| {
            let slots = (0..PAGE).zip(&page.slots);
            slots.filter_map(move |(slot, value)| Some((number * PAGE + slot, value.as_ref()?)))
        })
    }

    /// Returns the keys with their values, in order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let pages = (0u32..).zip(&mut self.pages);
        let pages = pages.filter_map(|(number, page)| Some((number, page.as_mut()?)));
        pages.flat_map(|(number, page)| {
            let slots = (0..PAGE).zip(&mut page.slots);
            slots.filter_map(move |(slot, value)| Some((number * PAGE + slot, value.as_mut()?)))
        })
    }

    /// Returns a number above all keys.
    pub(crate) fn key_bound(&self) -> u32 {
        u32::try_from(self.pages.len()).unwrap_or(u32::MAX).saturating_mul(PAGE)
    }

    #[cfg(test)]
    pub(crate) fn allocated_pages(&self) -> usize {
        self.pages.iter().flatten().count()
    }

    fn page_mut(&mut self, key: u32) -> &mut Page<T> {
        let page = Self::page_of(key) as usize;
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        self.pages[page].get_or_insert_with(|| {
            Box::new(Page { occupied: 0, slots: std::array::from_fn(|_| None) })
        })
    }
}

const fn slot_of(key: u32) -> usize {
    (key % PAGE) as usize
}
