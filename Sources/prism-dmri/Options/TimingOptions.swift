import ArgumentParser
import CommandLineSupport
import Diffusion
import Foundation
import ModelSpace
import Networks

/// The options that say when the gradients' pulses come, which restricted compartments (spheres, cylinders) ask for.
struct TimingOptions: ParsableArguments {
    @Option(
        help:
            """
            Duration δ of a gradient pulse in ms: a number, or a text file with one for each volume (default: \
            SmallDelta and BigDelta of the image's BIDS sidecar).
            """
    )
    var smallDelta: String?
    @Option(help: "Time Δ from the start of one pulse to the other's in ms, likewise.") var bigDelta: String?
    @Option(
        help:
            """
            Camino's STEJSKALTANNER scheme file (gx gy gz |G| Δ δ TE; T/m, s) instead of --bvals and --bvecs; it has δ \
            and Δ too.
            """
    )
    var scheme: String?
    @Flag(
        help:
            "Fit as if nothing said when the pulses come: families are without what depends on that (of tissue soma)."
    )
    var ignoreTiming = false

    func validate() throws {
        guard !ignoreTiming || smallDelta == nil && bigDelta == nil else {
            throw ValidationError("--ignore-timing goes without --small-delta and --big-delta.")
        }
        guard (smallDelta == nil) == (bigDelta == nil) else {
            throw ValidationError("--small-delta and --big-delta belong together; give both.")
        }
        guard smallDelta == nil || scheme == nil else {
            throw ValidationError("--scheme states δ and Δ; leave out --small-delta and --big-delta.")
        }
    }

    /// How timing can be given.
    static let remedy =
        "give --small-delta and --big-delta (ms), --scheme, or a BIDS sidecar with SmallDelta and BigDelta"

    /// Files that are read.
    var files: [String] {
        [smallDelta, bigDelta, scheme].compactMap { $0 }.filter { Double($0) == nil }
    }

    /// δ and Δ as given, or those of a sidecar; nil where nothing says them.
    /// - Errors: `GradientTableError`.
    func read(volumes: Int, sidecar: String?) throws -> [PulseTiming]? {
        func numbers(_ text: String) throws -> [Double] {
            try Double(text).map { [$0] } ?? PulseTiming.numbers(path: text)
        }
        if let smallDelta, let bigDelta {
            return try PulseTiming.list(
                durations: numbers(smallDelta), separations: numbers(bigDelta), volumes: volumes)
        }
        guard let sidecar, let size = try? FileManager.default.attributesOfItem(atPath: sidecar)[.size] as? Int,
            size <= 64 << 20, let data = FileManager.default.contents(atPath: sidecar),
            let found = try PulseTiming.sidecar(data, path: sidecar)
        else { return nil }
        return try PulseTiming.list(durations: found.durations, separations: found.separations, volumes: volumes)
    }
}

/// The word for leaving timing aside where studies simulate.
struct IgnoredTiming: ParsableArguments {
    @Flag(help: "Leave aside when gradient pulses come: families are without what depends on that.")
    var ignoreTiming = false
}

extension FamilyChoice {
    /// Its components that depend on when the gradients' pulses come.
    var timedComponents: [String] {
        if case .composed(let family) = self { family.composition.timedComponents } else { [] }
    }

    /// The family as acquisitions allow it: where nobody says when their pulses come, without what that decides.
    ///
    /// Of the family that scans of several shells get unasked, either is a note: nobody asked for what is left out,
    /// and where timing is known it comes in by itself. Whoever takes another family for such a component is warned.
    /// - Parameters:
    ///   - isTimed: whether that is said.
    ///   - isIgnored: whether what says it is left aside as asked, of which nobody is told again.
    ///   - remedy: how it could be, the end of a sentence.
    func suited(
        isTimed: Bool, isIgnored: Bool = false, remedy: String = TimingOptions.remedy, warn: (String) -> Void,
        note: (String) -> Void
    ) throws -> FamilyChoice {
        guard case .composed(let family) = self, family.needsTiming else { return self }
        let lost = timedComponents.joined(separator: ", "), isUnasked = family.name == Self.severalShells
        if isTimed && !isIgnored {
            if isUnasked {
                note("The timing of the gradient pulses is known: '\(family.name)' is fitted with \(lost).")
            }
            return self
        }
        let rest: CompartmentFamily
        do { rest = try family.withoutTiming() } catch let error as FamilyDescriptionError {
            throw NoTiming(family: family.name, components: lost, reason: error.reason, isIgnored: isIgnored)
        }
        if !isIgnored {
            (isUnasked ? note : warn)(
                "Nothing says when the gradient pulses come, so '\(family.name)' is fitted without \(lost): \(remedy)."
            )
        }
        return .composed(rest)
    }

    /// Refuses a network that was trained for the family with what depends on the gradients' timing, where this is the
    /// family without.
    /// - Parameters:
    ///   - network: as given, and its path.
    ///   - asked: the family before it was suited to the scan.
    func check(_ network: (file: NetworkFile, path: String)?, asked: FamilyChoice) throws {
        guard let network, !isServed(by: network.file.origin) else { return }
        throw NetworkNeedsTiming(
            path: network.path, family: family.name, components: asked.timedComponents.joined(separator: ", "))
    }
}

/// A network that is told of timing, for a scan that does not say it.
struct NetworkNeedsTiming: CommandFailure {
    let path: String, family: String, components: String
    var exitStatus: ExitStatus { .badData }
    var description: String {
        """
        \(path) was trained for scans that say when their gradient pulses come, and for '\(family)' with \
        \(components); \(TimingOptions.remedy), or another network
        """
    }
}

/// A family of which nothing is left without the gradients' timing.
struct NoTiming: CommandFailure {
    let family: String, components: String, reason: String
    /// Whether it was left aside as asked.
    let isIgnored: Bool
    var exitStatus: ExitStatus { .badData }
    var description: String {
        """
        the family '\(family)' needs the timing of the gradient pulses for its \(components) (\(reason)); \
        \(isIgnored ? "leave out --ignore-timing" : "give --small-delta and --big-delta in ms, or --scheme")
        """
    }
}

/// What went wrong with δ and Δ that are given beside a table.
struct TimingFailure: Error { let error: any Error }
