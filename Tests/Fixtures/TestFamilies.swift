import Diffusion
import ModelSpace

/// Families composed for tests.
public enum ComposedFamily {
    /// What `BallSticks` is, as a recipe.
    public static let ballSticksRecipe = """
        name: composed
        shared: {d: log-uniform 1e-4 5e-3 in mm^2/s}
        components:
          ball:
            presence: always
            weight: rest
            signal: [{compartment: ball, when: [spread], spread: spread.s / d}, ball]
          stick:
            presence: up to 3
            weight: 0.05
            parameters: {mu: axis}
            fibre: mu
            signal: [{compartment: stick, when: [spread], spread: spread.s / d}, stick]
          spread: {parameters: {s: log-uniform 0.1 1 of d in mm^2/s}}
        """
    public static let ballSticks = try! read(ballSticksRecipe)

    public static func read(_ text: String) throws -> CompartmentFamily {
        try FamilyReader.family(try SettingsTree(yaml: text), place: "family")
    }
}

public enum TestAcquisition {
    /// Unweighted volumes, then shells of the same directions, evenly spread.
    public static func shells(_ bValues: [Double], unweighted: Int, directions: Int) -> Acquisition {
        let spread = DirectionSets.fibonacci(directions), zero = SIMD3<Double>(0, 0, 0)
        return try! Acquisition(
            bValues: Array(repeating: 0, count: unweighted)
                + bValues.flatMap { Array(repeating: $0, count: directions) },
            directions: Array(repeating: zero, count: unweighted) + bValues.flatMap { _ in spread })
    }
}

extension CompartmentFamily {
    /// Structures to try: all that are listed, or 300 drawn where none is.
    public var someStructures: [Structure] {
        var random = RandomSource(seed: 12)
        return structureList?.structures ?? Set((0..<300).map { _ in rule.draw(lambda: 0, using: &random) }).sorted()
    }
}
