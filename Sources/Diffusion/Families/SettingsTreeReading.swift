import ModelSpace

/// How the readers of families take a tree of settings apart, each error naming its place.
extension SettingsTree {
    /// What a mapping holds, in its order.
    func pairs(_ place: String) throws -> [(key: String, value: SettingsTree)] {
        guard case .map(let pairs) = self else {
            throw SettingsError(reason: "\(Setting<Int>.name(place)) must be a mapping")
        }
        return pairs
    }

    /// A mapping with these keys only.
    func mapping(_ place: String, _ known: [String]) throws -> [String: SettingsTree] {
        let pairs = try pairs(place)
        if let other = pairs.first(where: { !known.contains($0.key) }) {
            throw SettingsError.unknown(other.key, place: place, known: known)
        }
        return Dictionary(pairs.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    }

    func word(_ place: String) throws -> String {
        guard case .word(let text, _) = self, !text.isEmpty, text.count <= 400 else {
            throw SettingsError(reason: "\(Setting<Int>.name(place)) must be a word or a short text")
        }
        return text
    }

    /// A list of texts, or one.
    func words(_ place: String) throws -> [String] {
        guard case .list(let items) = self else { return [try word(place)] }
        guard items.count <= 64 else {
            throw SettingsError(reason: "\(Setting<Int>.name(place)) has \(items.count) entries; 64 are the most")
        }
        return try items.enumerated().map { try $1.word("\(place)[\($0)]") }
    }

    /// The value of a key of the outermost mapping, and the tree without it.
    public func taking(_ key: String) -> (value: SettingsTree?, rest: SettingsTree) {
        guard case .map(let pairs) = self else { return (nil, self) }
        return (pairs.first { $0.key == key }?.value, .map(pairs.filter { $0.key != key }))
    }
}
