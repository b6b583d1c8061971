WITH `t28` AS (
  SELECT
    `t24`.`user_id`,
    `t24`.`item_id`,
    `t24`.`t0`,
    `t24`.`horizon_end`,
    `t24`.`treatment`,
    `t24`.`sampling_weight`,
    `t24`.`next_play`,
    `t24`.`censoring_cohort`,
    SUM(`t24`.`censoring_whole`) OVER (
      PARTITION BY `t24`.`censoring_cohort`
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS `censoring_whole`,
    `t24`.`determined`,
    COUNT(*) OVER (
      PARTITION BY `t24`.`censoring_cohort`
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS `censoring_all`
  FROM (
    SELECT
      `t22`.`user_id`,
      `t22`.`item_id`,
      `t22`.`t0`,
      `t22`.`horizon_end`,
      `t22`.`treatment`,
      `t22`.`sampling_weight`,
      `t22`.`next_play`,
      CAST(FLOOR(
        ieee_divide(CAST(UNIX_SECONDS(TIMESTAMP_TRUNC(`t22`.`t0`, SECOND)) AS INT64), 86400)
      ) AS INT64) AS `censoring_cohort`,
      CAST(CASE
        WHEN `t22`.`horizon_end` <= TIMESTAMP('2024-01-01T00:00:00+00:00')
        THEN 1
        WHEN NOT (
          `t22`.`horizon_end` <= TIMESTAMP('2024-01-01T00:00:00+00:00')
        )
        THEN 0
        ELSE NULL
      END AS INT64) AS `censoring_whole`,
      (
        `t22`.`horizon_end` <= TIMESTAMP('2024-01-01T00:00:00+00:00')
      )
      OR COALESCE(
        (
          `t22`.`next_play` < `t22`.`horizon_end`
        )
        AND (
          `t22`.`next_play` < TIMESTAMP('2024-01-01T00:00:00+00:00')
        ),
        FALSE
      ) AS `determined`
    FROM (
      SELECT
        `t14`.`user_id`,
        `t14`.`item_id`,
        `t14`.`t0`,
        `t14`.`horizon_end`,
        `t14`.`treatment`,
        `t14`.`sampling_weight`,
        `t17`.`played_at` AS `next_play`
      FROM (
        SELECT
          `t3`.`user_id`,
          `t3`.`item_id`,
          `t3`.`t0`,
          TIMESTAMP_ADD(`t3`.`t0`, INTERVAL '86400' SECOND) AS `horizon_end`,
          CAST(CASE WHEN `t3`.`shown` THEN 1 WHEN NOT (
            `t3`.`shown`
          ) THEN 0 ELSE NULL END AS INT64) AS `treatment`,
          CAST(1 AS FLOAT64) AS `sampling_weight`
        FROM `candidates` AS `t3`
      ) AS `t14`
      LEFT OUTER JOIN (
        SELECT
          `t5`.`user_id`,
          `t5`.`item_id`,
          `t5`.`played_at`,
          COALESCE(
            LAG(`t5`.`played_at`) OVER (PARTITION BY `t5`.`user_id`, `t5`.`item_id` ORDER BY `t5`.`played_at` ASC),
            TIMESTAMP('0001-01-01T00:00:00+00:00')
          ) AS `previous`
        FROM (
          SELECT
            `t2`.`user_id`,
            `t2`.`item_id`,
            `t2`.`played_at`
          FROM `plays` AS `t2`
        ) AS `t5`
      ) AS `t17`
        ON `t14`.`user_id` = `t17`.`user_id`
        AND `t14`.`item_id` = `t17`.`item_id`
        AND `t14`.`t0` > `t17`.`previous`
        AND `t14`.`t0` <= `t17`.`played_at`
    ) AS `t22`
  ) AS `t24`
)
SELECT
  `t44`.`user_id`,
  `t44`.`item_id`,
  `t44`.`t0`,
  `t44`.`horizon_end`,
  `t44`.`treatment`,
  `t44`.`outcome`,
  CASE
    WHEN (
      `t44`.`treatment` = 1
    ) AND (
      `t44`.`outcome` = 1
    ) AND `t44`.`credited`
    THEN 'attributed_play'
    WHEN `t44`.`outcome` = 1
    THEN 'organic_play'
    WHEN (
      `t44`.`treatment` = 1
    ) AND `t44`.`unviewable`
    THEN 'unviewable'
    WHEN (
      `t44`.`treatment` = 1
    ) AND `t44`.`unplayable`
    THEN 'unplayable'
    WHEN `t44`.`treatment` = 1
    THEN 'true_negative'
    ELSE 'control_negative'
  END AS `label_kind`,
  `t44`.`sampling_weight`,
  `t44`.`censoring_weight`,
  `t44`.`sampling_weight` * `t44`.`censoring_weight` AS `analysis_weight`
FROM (
  SELECT
    `t43`.`user_id`,
    `t43`.`item_id`,
    `t43`.`t0`,
    `t43`.`horizon_end`,
    `t43`.`treatment`,
    `t43`.`sampling_weight`,
    `t43`.`censoring_weight`,
    `t43`.`outcome`,
    COALESCE(`t35`.`first_credited` < `t43`.`horizon_end`, FALSE) AS `credited`,
    COALESCE(NOT (
      `t20`.`seen`
    ), FALSE) AS `unviewable`,
    NOT (
      TRUE
      AND (
        (
          `t6`.`available_from` IS NULL
        ) OR (
          `t6`.`available_from` <= `t43`.`t0`
        )
      )
      AND (
        (
          `t6`.`available_until` IS NULL
        ) OR (
          `t43`.`t0` < `t6`.`available_until`
        )
      )
    ) AS `unplayable`
  FROM (
    SELECT
      `t41`.*
      EXCEPT (`next_play`)
    FROM (
      SELECT
        `t40`.`user_id`,
        `t40`.`item_id`,
        `t40`.`t0`,
        `t40`.`horizon_end`,
        `t40`.`treatment`,
        `t40`.`sampling_weight`,
        `t40`.`next_play`,
        `t40`.`censoring_weight`,
        CAST(CASE
          WHEN COALESCE(`t40`.`next_play` < `t40`.`horizon_end`, FALSE)
          THEN 1
          WHEN NOT (
            COALESCE(`t40`.`next_play` < `t40`.`horizon_end`, FALSE)
          )
          THEN 0
          ELSE NULL
        END AS INT64) AS `outcome`
      FROM (
        SELECT
          *
        FROM (
          SELECT
            `t29`.`user_id`,
            `t29`.`item_id`,
            `t29`.`t0`,
            `t29`.`horizon_end`,
            `t29`.`treatment`,
            `t29`.`sampling_weight`,
            `t29`.`next_play`,
            CAST(1 AS FLOAT64) AS `censoring_weight`
          FROM `t28` AS `t29`
          WHERE
            NOT (
              `t29`.`censoring_whole` < `t29`.`censoring_all`
            )
        ) AS `t31`
        UNION ALL
        SELECT
          *
        FROM (
          SELECT
            `t38`.`user_id`,
            `t38`.`item_id`,
            `t38`.`t0`,
            `t38`.`horizon_end`,
            `t38`.`treatment`,
            `t38`.`sampling_weight`,
            `t38`.`next_play`,
            ieee_divide(CAST(`t38`.`censoring_all` AS FLOAT64), CAST(`t38`.`censoring_risk` AS FLOAT64)) AS `censoring_weight`
          FROM (
            SELECT
              `t37`.`user_id`,
              `t37`.`item_id`,
              `t37`.`t0`,
              `t37`.`horizon_end`,
              `t37`.`treatment`,
              `t37`.`sampling_weight`,
              `t37`.`next_play`,
              `t37`.`censoring_cohort`,
              `t37`.`censoring_whole`,
              `t37`.`determined`,
              `t37`.`censoring_all`,
              `t37`.`censoring_second`,
              `t37`.`censoring_kind`,
              SUM(1 - `t37`.`censoring_kind`) OVER (
                PARTITION BY `t37`.`censoring_cohort`
                ORDER BY `t37`.`censoring_second` ASC, `t37`.`censoring_kind` ASC
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
              ) AS `censoring_risk`
            FROM (
              SELECT
                *
              FROM (
                SELECT
                  `t29`.`user_id`,
                  `t29`.`item_id`,
                  `t29`.`t0`,
                  `t29`.`horizon_end`,
                  `t29`.`treatment`,
                  `t29`.`sampling_weight`,
                  `t29`.`next_play`,
                  `t29`.`censoring_cohort`,
                  `t29`.`censoring_whole`,
                  `t29`.`determined`,
                  `t29`.`censoring_all`,
                  CAST(UNIX_SECONDS(TIMESTAMP_TRUNC(`t29`.`t0`, SECOND)) AS INT64) AS `censoring_second`,
                  0 AS `censoring_kind`
                FROM `t28` AS `t29`
                WHERE
                  `t29`.`censoring_whole` < `t29`.`censoring_all`
              ) AS `t32`
              UNION ALL
              SELECT
                *
              FROM (
                SELECT
                  `t29`.`user_id`,
                  `t29`.`item_id`,
                  `t29`.`t0`,
                  `t29`.`horizon_end`,
                  `t29`.`treatment`,
                  `t29`.`sampling_weight`,
                  `t29`.`next_play`,
                  `t29`.`censoring_cohort`,
                  `t29`.`censoring_whole`,
                  `t29`.`determined`,
                  `t29`.`censoring_all`,
                  CAST(UNIX_SECONDS(TIMESTAMP_TRUNC(TIMESTAMP('2024-01-01T00:00:00+00:00'), SECOND)) AS INT64) - (
                    CAST(UNIX_SECONDS(
                      TIMESTAMP_TRUNC(
                        IF(
                          COALESCE(`t29`.`next_play` < `t29`.`horizon_end`, FALSE),
                          `t29`.`next_play`,
                          `t29`.`horizon_end`
                        ),
                        SECOND
                      )
                    ) AS INT64) - CAST(UNIX_SECONDS(TIMESTAMP_TRUNC(`t29`.`t0`, SECOND)) AS INT64)
                  ) AS `censoring_second`,
                  1 AS `censoring_kind`
                FROM `t28` AS `t29`
                WHERE
                  `t29`.`censoring_whole` < `t29`.`censoring_all`
                  AND `t29`.`determined`
                  AND `t29`.`censoring_whole` >= (
                    `t29`.`censoring_all` * 0.1
                  )
              ) AS `t36`
            ) AS `t37`
          ) AS `t38`
          WHERE
            `t38`.`censoring_kind` = 1
        ) AS `t39`
      ) AS `t40`
    ) AS `t41`
  ) AS `t43`
  LEFT OUTER JOIN (
    SELECT
      `t33`.`user_id`,
      `t33`.`item_id`,
      `t33`.`t0`,
      MIN(`t33`.`played_at`) AS `first_credited`
    FROM (
      SELECT
        *
      FROM (
        SELECT
          `t11`.`play_id`,
          `t27`.`impression_id`,
          `t11`.`user_id`,
          `t11`.`item_id`,
          `t11`.`played_at`,
          `t27`.`t0`,
          COALESCE(`t27`.`credit`, CAST(1 AS FLOAT64)) AS `credit`
        FROM (
          SELECT
            *
          FROM `plays` AS `t2`
          WHERE
            (
              `t2`.`seconds` IS NULL
            ) OR (
              `t2`.`seconds` >= 5.0
            )
        ) AS `t11`
        LEFT OUTER JOIN (
          SELECT
            `t25`.*
            EXCEPT (`place`)
          FROM (
            SELECT
              `t23`.`play_id`,
              `t23`.`impression_id`,
              `t23`.`t0`,
              `t23`.`place`,
              CAST('1' AS FLOAT64) AS `credit`
            FROM (
              SELECT
                `t21`.`play_id`,
                `t21`.`impression_id`,
                `t21`.`t0`,
                ROW_NUMBER() OVER (PARTITION BY `t21`.`play_id` ORDER BY `t21`.`t0` DESC, `t21`.`impression_id` DESC) - 1 AS `place`
              FROM (
                SELECT
                  `t18`.`play_id`,
                  `t18`.`impression_id`,
                  `t18`.`t0`
                FROM (
                  SELECT
                    `t12`.`play_id`,
                    `t8`.`impression_id`,
                    `t8`.`t0`,
                    `t12`.`played_at`
                  FROM (
                    SELECT
                      `t1`.`impression_id`,
                      `t1`.`user_id`,
                      `t1`.`item_id`,
                      `t1`.`t0`
                    FROM `impressions` AS `t1`
                    WHERE
                      COALESCE(`t1`.`viewable`, TRUE)
                  ) AS `t8`
                  INNER JOIN (
                    SELECT
                      `t2`.`play_id`,
                      `t2`.`user_id`,
                      `t2`.`item_id`,
                      `t2`.`played_at`,
                      TIMESTAMP_SUB(`t2`.`played_at`, INTERVAL '86400' SECOND) AS `opens`,
                      TIMESTAMP_SUB(`t2`.`played_at`, INTERVAL '0' SECOND) AS `closes`
                    FROM `plays` AS `t2`
                    WHERE
                      (
                        `t2`.`seconds` IS NULL
                      ) OR (
                        `t2`.`seconds` >= 5.0
                      )
                  ) AS `t12`
                    ON `t8`.`user_id` = `t12`.`user_id`
                    AND `t8`.`item_id` = `t12`.`item_id`
                    AND `t8`.`t0` > `t12`.`opens`
                    AND `t8`.`t0` <= `t12`.`closes`
                ) AS `t18`
              ) AS `t21`
            ) AS `t23`
            WHERE
              `t23`.`place` = 0
          ) AS `t25`
        ) AS `t27`
          ON `t11`.`play_id` = `t27`.`play_id`
      ) AS `t30`
      WHERE
        `t30`.`impression_id` IS NOT NULL
    ) AS `t33`
    GROUP BY
      1,
      2,
      3
  ) AS `t35`
    ON `t43`.`user_id` = `t35`.`user_id`
    AND `t43`.`item_id` = `t35`.`item_id`
    AND `t43`.`t0` = `t35`.`t0`
  LEFT OUTER JOIN (
    SELECT
      *
    FROM (
      SELECT
        `t1`.`user_id`,
        `t1`.`item_id`,
        `t1`.`t0`,
        LOGICAL_OR(
          COALESCE(
            `t1`.`viewable`
            AND (
              (
                `t1`.`viewable_ms` > 0
              ) AND (
                `t1`.`viewable_ms` >= 0.0
              )
            ),
            `t1`.`viewable`,
            (
              `t1`.`viewable_ms` > 0
            ) AND (
              `t1`.`viewable_ms` >= 0.0
            ),
            TRUE
          )
        ) AS `seen`
      FROM `impressions` AS `t1`
      GROUP BY
        1,
        2,
        3
    ) AS `t15`
    WHERE
      NOT (
        `t15`.`seen`
      )
  ) AS `t20`
    ON `t43`.`user_id` = `t20`.`user_id`
    AND `t43`.`item_id` = `t20`.`item_id`
    AND `t43`.`t0` = `t20`.`t0`
  LEFT OUTER JOIN (
    SELECT
      *
    FROM `items` AS `t0`
  ) AS `t6`
    ON `t43`.`item_id` = `t6`.`item_id`
) AS `t44`
