import CommandLineSupport
import Diffusion
import Foundation
import ModelSpace
import Training

/// A training recipe: `name`, `family` (a built-in one's name, or what it is composed of: `FamilyReader`), `training`
/// (TrainingPlan) and `mixture` (the family's distribution of acquisitions).
struct Recipe: BoundedSettings {
    var name = "network"
    /// A built-in family's name, or that of the one composed.
    var family = "ball-sticks"
    /// The family where compartments make it; nil for ball and sticks.
    var composed: CompartmentFamily?
    var training = TrainingPlan()
    var mixture = ProtocolMixture()

    static let settings: [Setting<Recipe>] =
        [.text("name", \.name), .text("family", \.family)]
        + TrainingPlan.settings.map { $0.inside(\.training, "training") }
        + ProtocolMixture.settings.map { $0.inside(\.mixture, "mixture") }

    /// Whether a network is to be trained by it; a fit asks for its family alone.
    private var isTrained = true

    var conflict: String? {
        if !isTrained { return nil }
        if let fault = training.conflict { return "in training, " + fault }
        // What a worker keeps of every layer of a chunk, in numbers.
        let volumes = max(mixture.largestCount, mixture.largestGridCount),
            size = training.chunk * volumes * training.network.width
        if let composed {
            if let fault = composed.networkFault { return "the family '\(family)' \(fault)" }
            if let fault = composed.composition.fault(largestB: max(mixture.largestB, mixture.largestGridB)) {
                return fault
            }
        }
        if size > 1 << 25 {
            return
                """
                'chunk' (\(training.chunk)) times volumes (\(volumes)) times 'width' (\(training.network.width)) \
                takes gigabytes; make one of them smaller
                """
        }
        return mixture.conflict.map { "in mixture, " + $0 }
    }

    init() {}

    /// Reads YAML; keys not given keep their defaults, unknown keys are refused.
    /// - Parameter isTrained: false to read it for its family only, which may be one that no network can be trained
    ///   for.
    init(yaml: String, path: String, isTrained: Bool = true) throws {
        self.isTrained = isTrained
        do {
            // A mapping is a family composed here; a word is for the settings.
            let (value, rest) = try SettingsTree(yaml: yaml).taking("family")
            if case .map = value {
                _ = try rest.read(Self.settings, into: &self)
                composed = try FamilyReader.family(value!, place: "family")
                family = composed!.name
            } else {
                _ = try SettingsTree(yaml: yaml).read(Self.settings, into: &self)
                composed = BuiltInFamilies.family(family)
            }
            guard composed != nil || family == BallSticks().name else {
                throw SettingsError(reason: Self.unknownFamily(family))
            }
            // A network learns no λ at which nobody is to ask it.
            training.lambdaLeast = max(training.lambdaLeast, composed?.words.leastLambda ?? 0)
            if let conflict { throw SettingsError(reason: conflict) }
        } catch let error as SettingsError { throw RecipeError(path: path, problem: "cannot be used: \(error.reason)") }
    }

    static var familyNames: [String] { [BallSticks().name] + BuiltInFamilies.names }
    static func unknownFamily(_ name: String) -> String {
        "the family '\(name)' is unknown; known: \(familyNames.joined(separator: ", "))"
    }

    /// The text of a recipe's file, or of the built-in recipe of that name where there is no such file.
    static func text(path: String) throws -> String {
        if !FileManager.default.fileExists(atPath: path), let text = BuiltInFamilies.recipe(path) { return text }
        do { return try SettingsTree.text(path: path) } catch let error as SettingsError {
            throw RecipeError(
                path: path, problem: "cannot be read: \(error.reason)",
                exitStatus: error.isMissing ? .missingInput : .badData)
        }
    }
}

struct RecipeError: CommandFailure {
    let path: String, problem: String
    var exitStatus = ExitStatus.badData
    var description: String { "The recipe \(path) \(problem)." }
}
