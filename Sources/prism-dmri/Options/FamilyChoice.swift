import ArgumentParser
import CommandLineSupport
import Diffusion
import Foundation
import Inference
import ModelSpace
import Networks

/// What `--family` and `--network` choose together: ball and sticks with its own engines, or a family of compartments.
enum FamilyChoice {
    case ballSticks
    case composed(CompartmentFamily)

    static let help = ArgumentHelp(
        """
        Model family: \(Recipe.familyNames.joined(separator: ", ")), or a recipe's file that composes one (default: \
        the network's; without one tissue for a scan of several shells with --engine prism, otherwise ball-sticks).
        """
    )

    /// The family of scans of several shells where nobody says another.
    static let severalShells = "tissue"

    /// What is fitted to a scan where nobody says: of several shells tissue, whose evidence and residuals are better
    /// there (docs/figures/families.md); of one, which cannot tell its compartments apart, ball and sticks.
    static func standard(for scan: Acquisition) -> FamilyChoice {
        let tissue = BuiltInFamilies.family(severalShells)!, b = scan.bValues.max() ?? 0
        return scan.statistics.hasSeveralShells && tissue.composition.fault(largestB: b) == nil
            ? .composed(tissue) : .ballSticks
    }

    /// - Parameters:
    ///   - name: a known family's, or a recipe's path; nil for that of the network; without one the standard for the
    ///   scan, or, where there is none, ball and sticks.
    ///   - network: the network given, and its path.
    /// - Throws: `RecipeError`, `NetworkFileError.otherFamily` when the network was trained for something else.
    init(_ name: String?, network: (origin: NetworkOrigin, path: String)?, scan: Acquisition? = nil) throws {
        guard let name else {
            if network == nil, let scan { self = .standard(for: scan); return }
            guard let network, let text = network.origin.familyDefinition else { self = .ballSticks; return }
            // A built-in family has words for its numbers beside what networks are trained for, and parts of which
            // they are not told.
            if let known = BuiltInFamilies.family(network.origin.family), known.family(of: network.origin) != nil {
                self = .composed(known)
                return
            }
            do { self = .composed(CompartmentFamily(try FamilyComposition(json: text))) } catch {
                throw NetworkFileError.unusable(
                    path: network.path, reason: "the family it was trained for makes no sense")
            }
            return
        }
        self = try Self.named(name)
        guard let network, !isServed(by: network.origin) else { return }
        throw NetworkFileError.otherFamily(path: network.path, found: network.origin.family, wanted: family.name)
    }

    /// Whether a network was trained for this family, at least for what of it depends on no timing.
    func isServed(by network: NetworkOrigin) -> Bool {
        switch self {
        case .ballSticks: BallSticks().family(of: network) != nil
        case .composed(let family): family.family(of: network) != nil
        }
    }

    /// What of the family a network was trained for, where it is for this family.
    func known(to network: NetworkOrigin) -> FamilyChoice {
        guard case .composed(let family) = self, let known = family.family(of: network) else { return self }
        return .composed(known)
    }

    /// The family of that name, or of the recipe in that file.
    static func named(_ name: String) throws -> FamilyChoice {
        if name == BallSticks.family.name { return .ballSticks }
        if let known = BuiltInFamilies.family(name) { return .composed(known) }
        guard name.contains("/") || name.contains(".") || FileManager.default.fileExists(atPath: name) else {
            throw RecipeError(
                path: name, problem: "cannot be read: \(Recipe.unknownFamily(name)), or give a recipe's path",
                exitStatus: .missingInput)
        }
        return try Recipe(yaml: try Recipe.text(path: name), path: name, isTrained: false).composed.map(Self.composed)
            ?? .ballSticks
    }

    var family: any DiffusionFamily {
        switch self {
        case .ballSticks: BallSticks()
        case .composed(let family): family
        }
    }

    /// The network that is compiled into the program for this family, or else for what of it depends on no timing; nil
    /// when there is none.
    func builtInNetwork() throws -> NetworkFile? {
        switch self {
        case .ballSticks: return try NetworkFile.standard()
        case .composed(let family):
            for name in (family.needsTiming ? [family.name + NetworkFile.timed] : []) + [family.name] {
                if let file = try NetworkFile.builtIn(name), isServed(by: file.origin) { return file }
            }
            return nil
        }
    }

    var isBallSticks: Bool { if case .ballSticks = self { true } else { false } }

    /// Refuses options that go with ball and sticks alone.
    /// - Parameter engine: as on the command line.
    func refuse(engine: String) throws {
        guard !isBallSticks, engine == "mcmc" else { return }
        throw ValidationError("--engine \(engine) fits ball-sticks only; for '\(family.name)' leave it out.")
    }

    /// Refuses b-values (s/mm²) at which the family's signals are not accurate.
    /// - Parameter scan: what they are those of.
    func check(largestB: Double, of scan: String) throws {
        guard case .composed(let family) = self, let fault = family.composition.fault(largestB: largestB) else {
            return
        }
        throw FamilyBeyondScan(family: family.name, scan: scan, fault: fault)
    }
}

/// A family whose signals are not accurate at the b-values of a scan.
struct FamilyBeyondScan: CommandFailure {
    let family: String, scan: String, fault: String
    var exitStatus: ExitStatus { .badData }
    var description: String {
        """
        the family '\(family)' cannot be fitted to \(scan): \(fault); leave the volumes of highest b out, or choose \
        another family
        """
    }
}
