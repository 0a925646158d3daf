import Diffusion
import ModelSpace
import Training

/// A training recipe: `name`, `family`, `training` (TrainingPlan) and `mixture` (the family's distribution of acquisitions).
struct Recipe: BoundedSettings {
    var name = "network"
    var family = "ball-sticks"
    var training = TrainingPlan()
    var mixture = ProtocolMixture()

    static let settings: [Setting<Recipe>] = [.text("name", \.name), .text("family", \.family)]
        + TrainingPlan.settings.map { $0.inside(\.training, "training") } + ProtocolMixture.settings.map { $0.inside(\.mixture, "mixture") }

    var conflict: String? {
        if let fault = training.conflict { return "in training, " + fault }
        // What a worker keeps of every layer of a chunk, in numbers.
        let volumes = max(mixture.largestCount, mixture.largestGridCount), size = training.chunk * volumes * training.network.width
        if size > 1 << 25 {
            return "'chunk' (\(training.chunk)) times volumes (\(volumes)) times 'width' (\(training.network.width)) takes gigabytes; make one of them smaller"
        }
        return mixture.conflict.map { "in mixture, " + $0 }
    }

    init() {}

    /// Reads YAML; keys not given keep their defaults, unknown keys are refused.
    init(yaml: String, path: String) throws {
        do {
            _ = try SettingsTree(yaml: yaml).read(Self.settings, into: &self)
            if let conflict { throw SettingsError(reason: conflict) }
        } catch let error as SettingsError { throw RecipeError(path: path, problem: "cannot be used: \(error.reason)") }
    }

    /// The text of a recipe's file.
    static func text(path: String) throws -> String {
        do { return try SettingsTree.text(path: path) } catch let error as SettingsError {
            throw RecipeError(path: path, problem: "cannot be read: \(error.reason)", exitStatus: error.isMissing ? .missingInput : .badData)
        }
    }
}

struct RecipeError: CommandFailure {
    let path: String, problem: String
    var exitStatus = ExitStatus.badData
    var description: String { "The recipe \(path) \(problem)." }
}
