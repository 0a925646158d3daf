import CFamilies
import Foundation
import ModelSpace

/// The families that are recipes of the package, compiled into the program.
public enum BuiltInFamilies {
    public static let names = ["gaussian", "tissue", "noddi", "sandi", "microstructure"]

    /// The text of a family's training recipe; nil when there is none of that name.
    public static func recipe(_ name: String) -> String? {
        var count = 0
        guard let start = cf_recipe(name, &count) else { return nil }
        return String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
    }

    /// A family by its name; nil when there is none.
    public static func family(_ name: String) -> CompartmentFamily? {
        guard let text = recipe(name) else { return nil }
        do {
            guard let tree = try SettingsTree(yaml: text).taking("family").value else { return nil }
            return try FamilyReader.family(tree, place: "family")
        } catch { preconditionFailure("the built-in family '\(name)': \(error)") }
    }
}
