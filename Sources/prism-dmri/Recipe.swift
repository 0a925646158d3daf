import Diffusion
import Foundation
import Training
import Yams

/// A training recipe: `name`, `family`, `training` (TrainingPlan) and `mixture` (the family's distribution of acquisitions).
struct Recipe: Codable {
    var name = "network"
    var family = "ball-sticks"
    var training = TrainingPlan()
    var mixture = ProtocolMixture()

    /// Reads YAML; keys not given keep their defaults, unknown keys are refused.
    init(yaml: String, path: String) throws {
        let loaded: Any?
        do { loaded = try Yams.load(yaml: yaml) } catch {
            throw RecipeError(path: path, problem: "is not valid YAML: \(error)")
        }
        guard let given = loaded as? [String: Any] else { throw RecipeError(path: path, problem: "must be a YAML mapping") }
        let defaults = try JSONSerialization.jsonObject(with: JSONEncoder().encode(Recipe()))
        let merged = try Self.overlay(defaults, with: given, at: "", path: path)
        do { self = try JSONDecoder().decode(Recipe.self, from: JSONSerialization.data(withJSONObject: merged)) } catch {
            throw RecipeError(path: path, problem: "has a value of the wrong type: \(error)")
        }
    }

    private init() {}

    private static func overlay(_ base: Any, with given: [String: Any], at place: String, path: String) throws -> [String: Any] {
        var result = base as? [String: Any] ?? [:]
        for (key, value) in given {
            guard let known = result[key] else {
                let keys = result.keys.sorted().joined(separator: ", ")
                throw RecipeError(path: path, problem: "has an unknown key '\(place)\(key)'; known here: \(keys)")
            }
            if let inner = value as? [String: Any] {
                result[key] = try overlay(known, with: inner, at: "\(place)\(key).", path: path)
            } else {
                result[key] = value
            }
        }
        return result
    }
}

struct RecipeError: CommandFailure {
    let path: String, problem: String
    var exitStatus = ExitStatus.badData
    var description: String { "The recipe \(path) \(problem)." }
}
