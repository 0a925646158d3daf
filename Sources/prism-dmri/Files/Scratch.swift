import Foundation

/// A folder of the system's for what is not kept.
struct Scratch {
    private let place = FileManager.default.temporaryDirectory.appendingPathComponent("prism-dmri-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: place, withIntermediateDirectories: false) }

    func folder(_ name: String) throws -> String {
        let folder = place.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        return folder.path
    }

    func remove() { try? FileManager.default.removeItem(at: place) }
}
