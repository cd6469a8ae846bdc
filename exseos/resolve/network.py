from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    offline: bool = False
    fetch: bool = True
    private: bool = True

    @staticmethod
    def for_replay() -> "Network":
        return Network(fetch=False, private=False)
