/// The program that writes a folder. The control files that it leaves there bear its name, so that no program takes
/// another's output for its own.
public struct Program: Sendable, Equatable {
    public let name: String

    public init(_ name: String) { self.name = name }

    /// Says what kind of output a folder holds and which files in it are the program's (`OutputMarker`).
    var marker: String { ".\(name).json" }
    /// Locked while a run is writing (`OutputLock`).
    var lock: String { ".\(name).lock" }
    /// The folder in which files are made before they take their places.
    var staging: String { ".\(name).partial" }
}
