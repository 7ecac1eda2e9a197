use super::RoomKey;
use super::pages::Pages;
use super::room::Room;

/// The occupied rooms. Gives each room a key; keys of rooms that became empty are given again
/// before new ones, so that keys stay below the highest number of rooms so far, rounded up to a
/// page.
#[derive(Debug)]
pub(super) struct RoomSlab {
    rooms: Pages<Room>,
    /// The pages that have a vacant key, each once.
    vacancies: Vec<u32>,
    len: usize,
}

impl RoomSlab {
    pub(super) const fn new() -> Self {
        Self { rooms: Pages::new(), vacancies: Vec::new(), len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, key: RoomKey) -> Option<&Room> {
        self.rooms.get(key.0)
    }

    pub(super) fn get_mut(&mut self, key: RoomKey) -> Option<&mut Room> {
        self.rooms.get_mut(key.0)
    }

    /// Adds a room. The caller keeps the number of rooms below `u32::MAX`.
    pub(super) fn insert(&mut self, room: Room) -> RoomKey {
        let page = self.vacancies.last().copied().unwrap_or_else(|| {
            let page = self.rooms.add_page();
            self.vacancies.push(page);
            page
        });
        let key = self.rooms.first_vacant(page).expect("the page is one of those with a vacancy");
        self.rooms.insert(key, room);
        if self.rooms.first_vacant(page).is_none() {
            self.vacancies.pop();
        }
        self.len += 1;
        RoomKey(key)
    }

    pub(super) fn remove(&mut self, key: RoomKey) -> Option<Room> {
        let page = Pages::<Room>::page_of(key.0);
        let was_full = self.rooms.first_vacant(page).is_none();
        let room = self.rooms.remove(key.0)?;
        if was_full {
            self.vacancies.push(page);
        }
        self.len -= 1;
        Some(room)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RoomKey, &Room)> {
        self.rooms.iter().map(|(key, room)| (RoomKey(key), room))
    }

    pub(super) fn key_bound(&self) -> u32 {
        self.rooms.key_bound()
    }

    #[cfg(test)]
    pub(super) fn allocated_pages(&self) -> usize {
        self.rooms.allocated_pages()
    }
}
