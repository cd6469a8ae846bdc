"""Small reports in the formats of Vivado, with a different value in every field."""

from __future__ import annotations

UTILIZATION = """Copyright 1986-2022 Xilinx, Inc. All Rights Reserved.
---------------------------------------------------------------------------------------------
| Tool Version : Vivado v.2022.2.1 (lin64) Build 3719031 Thu Dec  8 18:35:04 MST 2022
| Date         : Wed Apr 14 12:18:41 2023
| Host         : somewhere running 64-bit Linux
| Command      : report_utilization -file blend_utilization_synth.rpt
| Design       : blend
| Device       : xcvu9p-flgb2104-2-e
| Speed File   : -2
| Design State : Synthesized
---------------------------------------------------------------------------------------------

Utilization Design Information

Table of Contents
-----------------
1. CLB Logic
1.1 Summary of Registers by Type
2. BLOCKRAM
3. ARITHMETIC
4. Primitives
5. SLR CLB Logic and Dedicated Block Utilization

1. CLB Logic
------------

+----------------------------+-------+-------+------------+-----------+-------+
|          Site Type         |  Used | Fixed | Prohibited | Available | Util% |
+----------------------------+-------+-------+------------+-----------+-------+
| CLB LUTs*                  |  5032 |    11 |         12 |   1182240 |  0.43 |
|   LUT as Logic             |  4901 |    13 |         14 |   1182241 |  0.41 |
|   LUT as Memory            |   131 |    15 |         16 |    591840 |  0.02 |
|     LUT as Shift Register  |    71 |    27 |            |           |       |
| CLB Registers              |  4021 |    17 |         18 |   2364480 |  0.17 |
|   Register as Flip Flop    |  4022 |    19 |         20 |   2364481 |  0.18 |
|   Register as Latch        |    23 |    25 |         26 |   2364482 |  0.19 |
| CARRY8                     |   211 |    21 |         22 |    147780 |  0.14 |
| F7 Muxes                   |    51 |    23 |         24 |    591121 | <0.01 |
+----------------------------+-------+-------+------------+-----------+-------+
* Warning! The Final LUT count, after physical optimizations and full implementation, is typically lower.


1.1 Summary of Registers by Type
--------------------------------

+-------+--------------+-------------+--------------+
| Total | Clock Enable | Synchronous | Asynchronous |
+-------+--------------+-------------+--------------+
| 61    |            _ |           - |            - |
+-------+--------------+-------------+--------------+


2. BLOCKRAM
-----------

+-------------------+------+-------+------------+-----------+-------+
|     Site Type     | Used | Fixed | Prohibited | Available | Util% |
+-------------------+------+-------+------------+-----------+-------+
| Block RAM Tile    |  8.5 |    31 |         32 |      2160 |  0.39 |
|   RAMB36/FIFO*    |    5 |    33 |         34 |      2161 |  0.23 |
|     RAMB36E2 only |    6 |       |            |           |       |
|   RAMB18          |    7 |    35 |         36 |      4320 |  0.16 |
| URAM              |    3 |    37 |         38 |       960 |  0.31 |
+-------------------+------+-------+------------+-----------+-------+


3. ARITHMETIC
-------------

+----------------+------+-------+------------+-----------+-------+
|    Site Type   | Used | Fixed | Prohibited | Available | Util% |
+----------------+------+-------+------------+-----------+-------+
| DSPs           |   29 |    41 |         42 |      6840 |  0.42 |
|   DSP48E2 only |   30 |       |            |           |       |
+----------------+------+-------+------------+-----------+-------+


4. Primitives
-------------

+----------+------+---------------------+
| Ref Name | Used | Functional Category |
+----------+------+---------------------+
| FDRE     | 3999 |            Register |
| DSP48E2  |   32 |          Arithmetic |
| CARRY8   |  212 |                 CLB |
+----------+------+---------------------+


5. SLR CLB Logic and Dedicated Block Utilization
------------------------------------------------

+----------------------------+------+------+--------+--------+
|          Site Type         | SLR0 | SLR1 | SLR0 % | SLR1 % |
+----------------------------+------+------+--------+--------+
| CLB LUTs                   | 3001 | 2031 |   0.76 |   0.52 |
| CLB Registers              | 2501 | 1520 |   0.32 |   0.19 |
| Block RAM Tile             |  5.5 |    4 |   0.76 |   0.55 |
| DSPs                       |   18 |   19 |   0.79 |   0.83 |
+----------------------------+------+------+--------+--------+


"""

HIERARCHY = """Copyright 1986-2019 Xilinx, Inc. All Rights Reserved.
---------------------------------------------------------------------------------------------
| Tool Version : Vivado v.2019.2 (lin64) Build 2708876 Wed Nov  6 21:39:14 MST 2019
| Command      : report_utilization -hierarchical -file hier.rpt
| Design       : blend
| Device       : 7z020clg400-1
| Design State : Routed
---------------------------------------------------------------------------------------------

Utilization Design Information

Table of Contents
-----------------
1. Utilization by Hierarchy

1. Utilization by Hierarchy
---------------------------

+--------------+--------+------------+------------+---------+------+------+--------+--------+--------------+
|   Instance   | Module | Total LUTs | Logic LUTs | LUTRAMs | SRLs |  FFs | RAMB36 | RAMB18 | DSP48 Blocks |
+--------------+--------+------------+------------+---------+------+------+--------+--------+--------------+
| blend        |  (top) |       5032 |       4901 |      51 |   61 | 4021 |      5 |      7 |           29 |
|   (blend)    |  (top) |         71 |         72 |      73 |   74 |   75 |     76 |     77 |           78 |
|   mix_U0     |    mix |        902 |        903 |      81 |   82 |  801 |      2 |      1 |           11 |
|     add_U0   |    add |         66 |         67 |      83 |   84 |   65 |      3 |      4 |            9 |
|   out_U0     |    out |         91 |         92 |      93 |   94 |   95 |      6 |      8 |           10 |
+--------------+--------+------------+------------+---------+------+------+--------+--------+--------------+


"""

KERNELS = """Copyright 1986-2022 Xilinx, Inc. All Rights Reserved.
---------------------------------------------------------------------------------------------
| Tool Version : Vivado v.2023.1 (lin64) Build 3865809 Sun May  7 15:04:56 MDT 2023
| Command      : report_accelerator_utilization -kernels { a:x/inst:a_1} -file kernel_util_routed.rpt
| Design       : wrapper
| Device       : xcu250
| Design State : Fully Placed
---------------------------------------------------------------------------------------------

Accelerator Utilization Design Information

1. System Utilization
---------------------

+----------------------+-------------------+------------------+----------------+---------------+----------------+
| Name                 | LUT               | LUTAsMem         | REG            | BRAM          | DSP            |
+----------------------+-------------------+------------------+----------------+---------------+----------------+
| Platform             |   48352 [  2.69%] |  31763 [  3.53%] | 3338 [  0.74%] |  27 [  2.79%] |    1 [  0.01%] |
| User Budget          | 1751328 [100.00%] | 868077 [100.00%] | 4465 [100.00%] | 940 [100.00%] | 1968 [100.00%] |
|    Used Resources    |    5032 [ 21.95%] |   2872 [ 33.09%] | 4021 [  7.06%] | 8.5 [ 10.43%] |   29 [  9.45%] |
|    Unused Resources  | 1366933 [ 78.05%] | 580793 [ 66.91%] |  444 [ 92.94%] | 842 [ 89.57%] | 1782 [ 90.55%] |
| mix                  |     902 [  0.15%] |   1814 [  0.21%] |  801 [  0.24%] |   2 [  0.20%] |   11 [  1.17%] |
|    mix_1             |     903 [  0.15%] |   1815 [  0.21%] |  804 [  0.24%] |   3 [  0.20%] |   12 [  1.17%] |
+----------------------+-------------------+------------------+----------------+---------------+----------------+

"""

TIMING = """Copyright 1986-2018 Xilinx, Inc. All Rights Reserved.
---------------------------------------------------------------------------------------------
| Tool Version : Vivado v.2018.2 (lin64) Build 2258646 Thu Jun 14 20:02:38 MDT 2018
| Command      : report_timing_summary -max_paths 10 -file blend_timing_summary_routed.rpt
| Design       : blend
| Device       : 7a75tl-ftg256
| Speed File   : -2L  PRODUCTION 1.14 2018-01-25
---------------------------------------------------------------------------------------------

Timing Summary Report

------------------------------------------------------------------------------------------------
| Timer Settings
| --------------
------------------------------------------------------------------------------------------------

  Enable Multi Corner Analysis               :  Yes

------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)  THS Failing Endpoints  THS Total Endpoints     WPWS(ns)     TPWS(ns)  TPWS Failing Endpoints  TPWS Total Endpoints  
    -------      -------  ---------------------  -------------------      -------      -------  ---------------------  -------------------     --------     --------  ----------------------  --------------------  
     -1.346      -41.567                    143                14807       -0.131       -2.250                     12                14808        4.500       -3.125                       7                  7345  


Timing constraints are not met.


------------------------------------------------------------------------------------------------
| Clock Summary
| -------------
------------------------------------------------------------------------------------------------

Clock   Waveform(ns)       Period(ns)      Frequency(MHz)
-----   ------------       ----------      --------------
ap_clk  {0.000 5.000}      10.000          100.000         


------------------------------------------------------------------------------------------------
| Intra Clock Table
| -----------------
------------------------------------------------------------------------------------------------

Clock             WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)  THS Failing Endpoints  THS Total Endpoints     WPWS(ns)     TPWS(ns)  TPWS Failing Endpoints  TPWS Total Endpoints  
-----             -------      -------  ---------------------  -------------------      -------      -------  ---------------------  -------------------     --------     --------  ----------------------  --------------------  
ap_clk             -9.346      -49.567                    943                94807        9.131        9.000                      9                94808        9.500        9.000                       9                 97345  


                         net (fo=10, unset)           0.584     1.557    bd_0_i/start
                         net (fo=2, routed)           0.584     1.557    bd_0_i/count
"""

POWER = """Copyright 1986-2018 Xilinx, Inc. All Rights Reserved.
----------------------------------------------------------------------------------------------
| Tool Version     : Vivado v.2018.3 (lin64) Build 2405991 Thu Dec  6 23:36:41 MST 2018
| Command          : report_power -file blend_power_routed.rpt
| Design           : blend
| Device           : xc7a75tlftg256-2L
| Design State     : routed
----------------------------------------------------------------------------------------------

Power Report

Table of Contents
-----------------
1. Summary
1.1 On-Chip Components
2. Settings

1. Summary
----------

+--------------------------+----------------------------------+
| Total On-Chip Power (W)  | 16.975 (Junction temp exceeded!) |
| Design Power Budget (W)  | Unspecified*                     |
| Power Budget Margin (W)  | NA                               |
| Dynamic (W)              | 15.894                           |
| Device Static (W)        | 1.081                            |
| Effective TJA (C/W)      | 4.6                              |
| Max Ambient (C)          | 95.5                             |
| Junction Temperature (C) | 29.5                             |
| Confidence Level         | Medium                           |
+--------------------------+----------------------------------+


1.1 On-Chip Components
----------------------

+----------------+-----------+----------+-----------+-----------------+
| On-Chip        | Power (W) | Used     | Available | Utilization (%) |
+----------------+-----------+----------+-----------+-----------------+
| Clocks         |     0.020 |        3 |       --- |             --- |
| Static Power   |     1.082 |          |           |                 |
| Total          |    16.976 |          |           |                 |
+----------------+-----------+----------+-----------+-----------------+


"""

SAMPLES = {
    "blend_utilization_synth.rpt": UTILIZATION,
    "hier.rpt": HIERARCHY,
    "kernel_util_routed.rpt": KERNELS,
    "blend_timing_summary_routed.rpt": TIMING,
    "blend_power_routed.rpt": POWER,
}
